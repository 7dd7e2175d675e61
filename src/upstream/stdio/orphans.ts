import { pid as ownPid } from 'node:process';
import { sleep } from '../../lib/abort.js';
import { Breather } from '../../lib/breather.js';
import { send } from './process-family.js';
import { environOf, isSameProcess, listProcesses, type ProcessFacts, readProcess } from './process-table.js';

/**
 * The marker's value for an engine: its id, its pid and its start time, by which a later engine sees whether the
 * owner of a process still lives. The id must not contain ':' or '/'.
 */
export async function ownerMark(engineId: string): Promise<string> {
  if (!/^[^:/\0]+$/.test(engineId))
    throw new RangeError(`engine id must not contain ':' or '/': ${engineId}`);
  const own = await readProcess(ownPid);
  return `${engineId}:${ownPid}:${own?.startedAt ?? 0}`;
}

/** Whether the engine that wrote this marker value is gone. False for a value that is not of that form. */
export async function isOwnerGone(value: string): Promise<boolean> {
  const match = /^[^:/]+:(\d+):(\d+)(?:\/|$)/.exec(value);
  if (!match) return false;
  const owner = await readProcess(Number(match[1]));
  return owner === undefined || owner.zombie || owner.startedAt !== Number(match[2]);
}

export interface SweepOptions {
  /** Ms between SIGTERM and SIGKILL. Default 1,000. */
  readonly graceMs?: number;
  /** Whether a process with this marker value is to be ended. Default: its owner is gone. */
  readonly isOurs?: (value: string, process: ProcessFacts) => boolean | Promise<boolean>;
}

/**
 * Ends what an engine left behind that was killed: processes whose environment carries the marker and whose owner is
 * gone, with their descendants. Finds nothing where there is no /proc.
 * @returns the pids that were ended.
 */
export async function sweepOrphans(markerName: string, options: SweepOptions = {}): Promise<number[]> {
  const { graceMs = 1_000, isOurs = isOwnerGone } = options;
  const ended = new Set<number>();
  // More than once: one that is about to die may start another.
  for (let round = 0; round < 3; round += 1) {
    const found = await orphans(markerName, isOurs);
    if (found.length === 0) break;
    await signalAll(found, 'SIGTERM');
    const until = performance.now() + graceMs;
    let left = await living(found);
    while (left.length > 0 && performance.now() < until) {
      await sleep(25);
      left = await living(left);
    }
    await signalAll(left, 'SIGKILL');
    for (const tries = { left: 40 }; (await living(left)).length > 0 && tries.left > 0; tries.left -= 1)
      await sleep(25);
    for (const one of found) ended.add(one.pid);
  }
  return [...ended];
}

async function orphans(name: string, isOurs: NonNullable<SweepOptions['isOurs']>): Promise<ProcessFacts[]> {
  const all = await listProcesses();
  const found = new Map<number, ProcessFacts>();
  const breather = new Breather();
  for (const one of all) {
    if (one.pid === ownPid || one.zombie) continue;
    if (breather.isDue) await breather.pause();
    const value = environOf(one.pid, name);
    if (value !== undefined && (await isOurs(value, one))) found.set(one.pid, one);
  }
  for (let grown = true; grown; ) {
    grown = false;
    for (const one of all) {
      if (one.zombie || one.pid === ownPid || found.has(one.pid) || !found.has(one.parent)) continue;
      found.set(one.pid, one);
      grown = true;
    }
  }
  return [...found.values()];
}

async function living(processes: readonly ProcessFacts[]): Promise<ProcessFacts[]> {
  const now = await Promise.all(processes.map((one) => readProcess(one.pid)));
  return processes.filter((one, index) => isSameProcess(now[index], one));
}

async function signalAll(processes: readonly ProcessFacts[], signal: NodeJS.Signals): Promise<void> {
  for (const one of await living(processes)) send(one.pid, signal);
}
