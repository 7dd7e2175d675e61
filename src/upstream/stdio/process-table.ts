import { readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { Breather } from '../../lib/breather.js';

/** One process as Linux tells it. A pid is reused; pid and start time together are not. */
export interface ProcessFacts {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  /** Clock ticks since boot. */
  readonly startedAt: number;
  /** Processor time it took so far, in ticks: user and system. */
  readonly cpuTicks: number;
  readonly zombie: boolean;
}

/** Undefined when there is no such process, or no /proc. */
export async function readProcess(pid: number): Promise<ProcessFacts | undefined> {
  try {
    return parseStat(pid, await readFile(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return undefined;
  }
}

/** The same at once: in the tick of its start a child cannot have been reaped yet, so this finds it. */
export function readProcessNow(pid: number): ProcessFacts | undefined {
  try {
    return parseStat(pid, readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return undefined;
  }
}

function parseStat(pid: number, stat: string): ProcessFacts {
  // The name is in brackets and may hold brackets and spaces itself.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const at = (index: number) => Number(fields[index]);
  return {
    pid,
    parent: at(1),
    group: at(2),
    session: at(3),
    startedAt: at(19),
    cpuTicks: at(11) + at(12),
    zombie: fields[0] === 'Z' || fields[0] === 'X',
  };
}

/** The pids there are; none where there is no /proc. */
export async function listPids(): Promise<number[]> {
  try {
    return (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  } catch {
    return [];
  }
}

/** All processes; none where there is no /proc. */
export async function listProcesses(): Promise<ProcessFacts[]> {
  const found: ProcessFacts[] = [];
  const breather = new Breather();
  for (const pid of await listPids()) {
    // No disk is behind these files: to read one takes microseconds, to have it read elsewhere ten times as long.
    const facts = readProcessNow(pid);
    if (facts) found.push(facts);
    if (breather.isDue) await breather.pause();
  }
  return found;
}

let listing: Promise<readonly ProcessFacts[]> | undefined;

/** The same for all who ask while it is being made: for what may be a few milliseconds old. */
export function sharedListing(): Promise<readonly ProcessFacts[]> {
  listing ??= listProcesses().finally(() => {
    listing = undefined;
  });
  return listing;
}

/**
 * The value of one variable in the environment a process was started with; undefined when it has none or is not ours to
 * read. At once, for the same reason as above: whoever asks this of many takes a breath in between.
 */
export function environOf(pid: number, name: string): string | undefined {
  try {
    const environment = readFileSync(`/proc/${pid}/environ`);
    const wanted = `${name}=`;
    for (let at = environment.indexOf(wanted); at >= 0; at = environment.indexOf(wanted, at + 1)) {
      if (at > 0 && environment[at - 1] !== 0) continue;
      const end = environment.indexOf(0, at);
      return environment.toString('utf8', at + wanted.length, end < 0 ? environment.length : end);
    }
    return undefined;
  } catch {
    return undefined;
  }
}

export function isSameProcess(a: ProcessFacts | undefined, b: ProcessFacts): boolean {
  return a !== undefined && !a.zombie && a.pid === b.pid && a.startedAt === b.startedAt;
}
