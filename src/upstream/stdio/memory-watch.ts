import { sleep } from '../../lib/abort.js';
import { proportionalBytes, residentBytes } from './family-memory.js';
import type { ProcessFamily } from './process-family.js';

/** Between two looks at what a family holds, ms. */
const LOOK_MS = 2_000;

/**
 * Looks at the memory of a family until the signal aborts. Finds nothing where there is no /proc.
 * @returns what it held, in bytes, when that was above the limit; undefined when it was told to stop looking.
 */
export async function watchMemory(
  family: ProcessFamily,
  limitBytes: number,
  signal: AbortSignal,
  lookMs: number = LOOK_MS,
): Promise<number | undefined> {
  try {
    for (;;) {
      await sleep(lookMs, { signal, unref: true });
      const pids = (await family.members()).map((one) => one.pid);
      if ((await sum(pids, residentBytes)) <= limitBytes) continue;
      // Pages that a family shares count once for each member; before anything is ended they are shared out.
      const held = await sum(pids, proportionalBytes);
      if (held > limitBytes) return held;
    }
  } catch {
    return undefined;
  }
}

async function sum(pids: readonly number[], sizeOf: (pid: number) => Promise<number>): Promise<number> {
  const sizes = await Promise.all(pids.map(sizeOf));
  return sizes.reduce((total, size) => total + size, 0);
}
