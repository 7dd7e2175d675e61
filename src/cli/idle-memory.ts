import { type EventLoopUtilization, performance } from 'node:perf_hooks';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { keepYoungSmall, letYoungGrowOnce, shrinkingYoung } from './boot/young-generation.js';

/** Between two looks, ms. */
const LOOK_MS = 1_500;
/** Who worked less than this share of the time between two looks is idle. */
const IDLE_SHARE = 0.02;
/** Who worked more than this share is busy. */
const BUSY_SHARE = 0.25;
/** So much is given back at the first idle look, bytes. */
const LARGE_BYTES = 32 * 1_048_576;
/** Less waits until nothing has happened for so many looks: who calls now and then must not pay for it each time. */
const LONG_IDLE_LOOKS = 10;
/** Less is not worth a collection then either, bytes. */
const WORTH_BYTES = 8 * 1_048_576;
/** So much more in use than after the last collection, or allocated and not in use, is mostly garbage, bytes. */
const GARBAGE_BYTES = 3 * 1_048_576;

/**
 * Gives back what is garbage once nothing happens: a start leaves some 10 MB behind, a hundred results of 10 MiB leave 100,
 * and V8, which collects when it allocates, keeps them as long as nobody calls. A collection takes some 20 ms, and V8 drops
 * optimised code whose objects died: the next few hundred calls cost up to twice as much. Behind the start the young
 * generation is kept small, and a little larger while there is much to do.
 * @param afterStart called then too, for what would make a start slower.
 */
export function trimWhenIdle(afterStart?: () => void): void {
  let before: EventLoopUtilization = performance.eventLoopUtilization();
  let held = 0;
  let kept = 0;
  let idleLooks = 0;
  const isWorth = () => {
    const isFirst = held === 0;
    if (isFirst || footprint() >= held + LARGE_BYTES) return true;
    if (idleLooks % LONG_IDLE_LOOKS !== 0) return false;
    return (
      footprint() >= held + WORTH_BYTES || usedHeap() >= kept + GARBAGE_BYTES || unusedHeap() >= GARBAGE_BYTES
    );
  };
  setTimeout(() => {
    keepYoungSmall();
    afterStart?.();
  }, LOOK_MS).unref();
  setInterval(() => {
    const { utilization } = performance.eventLoopUtilization(before);
    const isIdle = utilization < IDLE_SHARE;
    if (utilization > BUSY_SHARE) letYoungGrowOnce();
    idleLooks = isIdle ? idleLooks + 1 : 0;
    if (isIdle && isWorth()) {
      collect();
      // The young generation shrinks only at the second, which also moves what is left in half empty pages together.
      shrinkingYoung(collect);
      held = footprint();
      kept = usedHeap();
    }
    // Behind the collection, which is no work of ours.
    before = performance.eventLoopUtilization();
  }, LOOK_MS).unref();
}

/** What V8 has of the machine's memory, used or not, and the buffers beside it. */
function footprint(): number {
  const { heapTotal, external } = process.memoryUsage();
  return heapTotal + external;
}

const usedHeap = (): number => getHeapStatistics().used_heap_size;

function unusedHeap(): number {
  const { total_heap_size, used_heap_size } = getHeapStatistics();
  return total_heap_size - used_heap_size;
}

let found: (() => void) | undefined;

/** V8's own collector; there is no other way to it in a process that was started without a flag. */
function collect(): void {
  if (found === undefined) {
    setFlagsFromString('--expose-gc');
    found = runInNewContext('gc') as () => void;
    // Contexts made later do not get it.
    setFlagsFromString('--no-expose-gc');
  }
  found();
}
