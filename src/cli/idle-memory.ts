import { type EventLoopUtilization, performance } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Between two looks, ms. */
const LOOK_MS = 5_000;
/** Who worked less than this share of the time between two looks is idle. */
const IDLE_SHARE = 0.02;
/** Less is not worth a collection, bytes. */
const WORTH_BYTES = 8 * 1_048_576;

/**
 * Gives back what is garbage once nothing happens: a start leaves some 10 MB behind, a hundred results of 10 MiB leave 100,
 * and V8, which collects when it allocates, keeps them as long as nobody calls. A collection takes some 20 ms.
 */
export function trimWhenIdle(): void {
  let before: EventLoopUtilization = performance.eventLoopUtilization();
  let held = 0;
  setInterval(() => {
    const now = performance.eventLoopUtilization();
    const isIdle = performance.eventLoopUtilization(now, before).utilization < IDLE_SHARE;
    before = now;
    if (!isIdle || footprint() < held + WORTH_BYTES) return;
    const collect = collector();
    collect();
    // The young generation shrinks only at the second.
    collect();
    held = footprint();
  }, LOOK_MS).unref();
}

/** What V8 has of the machine's memory, used or not, and the buffers beside it. */
function footprint(): number {
  const { heapTotal, external } = process.memoryUsage();
  return heapTotal + external;
}

let found: (() => void) | undefined;

/** V8's own collector; there is no other way to it in a process that was started without a flag. */
function collector(): () => void {
  if (found === undefined) {
    setFlagsFromString('--expose-gc');
    found = runInNewContext('gc') as () => void;
    // Contexts made later do not get it.
    setFlagsFromString('--no-expose-gc');
  }
  return found;
}
