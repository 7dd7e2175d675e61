import type { ServerLimits } from '../../core/server.js';
import { sleep } from '../../lib/abort.js';
import { proportionalBytes, residentBytes } from './family-memory.js';
import type { ProcessFamily } from './process-family.js';
import type { ProcessFacts } from './process-table.js';

/** Between two looks at a family, ms. */
const LOOK_MS = 2_000;
/** So many looks in a row above its share of the processors, and a family is ended: half a minute. */
const BUSY_LOOKS = 15;
/** Linux counts processor time in these everywhere. */
const TICKS_PER_SECOND = 100;

/**
 * Looks at what a family takes until the signal aborts.
 * @returns why it is to be ended, as the end of a sentence about it; undefined when it was told to stop looking.
 */
export async function watchFamily(
  family: ProcessFamily,
  limits: ServerLimits,
  signal: AbortSignal,
  lookMs: number = LOOK_MS,
): Promise<string | undefined> {
  const { memoryBytes, cpuCores, processes } = limits;
  if ((memoryBytes ?? cpuCores ?? processes) === undefined) return undefined;
  const share = cpuCores === undefined ? undefined : new ProcessorShare(cpuCores);
  try {
    for (;;) {
      await sleep(lookMs, { signal, unref: true });
      const members = await family.members();
      if (processes !== undefined && members.length > processes)
        return `had ${members.length} processes, above its limit of ${processes}`;
      const held = memoryBytes === undefined ? undefined : await heldAbove(members, memoryBytes);
      if (held !== undefined)
        return `held ${mebibytes(held)} of memory, above its memoryLimit of ${mebibytes(memoryBytes ?? 0)}`;
      const busy = share?.look(members);
      if (busy !== undefined)
        return `kept ${busy.toFixed(1)} processors busy for ${Math.round((BUSY_LOOKS * lookMs) / 1_000)} s, above its limit of ${cpuCores}`;
    }
  } catch {
    return undefined;
  }
}

/** @returns what the members hold together in bytes, when that is above the limit. */
async function heldAbove(members: readonly ProcessFacts[], limit: number): Promise<number | undefined> {
  const pids = members.map((one) => one.pid);
  if ((await sum(pids, residentBytes)) <= limit) return undefined;
  // Pages that a family shares count once for each member; before anything is ended they are shared out.
  const held = await sum(pids, proportionalBytes);
  return held > limit ? held : undefined;
}

async function sum(pids: readonly number[], sizeOf: (pid: number) => Promise<number>): Promise<number> {
  const sizes = await Promise.all(pids.map(sizeOf));
  return sizes.reduce((total, size) => total + size, 0);
}

/** Processor time of a family from look to look. */
class ProcessorShare {
  readonly #cores: number;
  #before = new Map<number, number>();
  #lookedAt = performance.now();
  #busy: number[] = [];

  constructor(cores: number) {
    this.#cores = cores;
  }

  /** @returns the processors it kept busy on average, when that was above its share at every look for so long. */
  look(members: readonly ProcessFacts[]): number | undefined {
    const now = performance.now();
    const seconds = (now - this.#lookedAt) / 1_000;
    const ticks = members.reduce(
      (total, one) => total + Math.max(0, one.cpuTicks - (this.#before.get(one.pid) ?? one.cpuTicks)),
      0,
    );
    this.#before = new Map(members.map((one) => [one.pid, one.cpuTicks]));
    this.#lookedAt = now;
    const cores = ticks / TICKS_PER_SECOND / seconds;
    this.#busy = cores > this.#cores ? [...this.#busy, cores] : [];
    if (this.#busy.length < BUSY_LOOKS) return undefined;
    return this.#busy.reduce((total, one) => total + one, 0) / this.#busy.length;
  }
}

const mebibytes = (bytes: number): string => `${Math.round(bytes / 1_048_576)} MiB`;
