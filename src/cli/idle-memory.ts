import { type EventLoopUtilization, performance } from 'node:perf_hooks';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Between two looks, ms. */
const LOOK_MS = 1_500;
/** Who worked less than this share of the time between two looks is idle. */
const IDLE_SHARE = 0.02;
/** Less is not worth a collection, bytes. */
const WORTH_BYTES = 8 * 1_048_576;
/** So much more in use than after the last collection is mostly garbage: calls leave it one by one, bytes. */
const GARBAGE_BYTES = 3 * 1_048_576;
/** A start leaves so much unused in a heap that is too small to be worth more, bytes. */
const LATE_BYTES = 3 * 1_048_576;
/** V8 gives back its young generation only when little was allocated in the 5 s before: so many looks, with one to spare. */
const LONG_IDLE_LOOKS = 5;

/**
 * Gives back what is garbage once nothing happens: a start leaves some 10 MB behind, a hundred results of 10 MiB leave 100,
 * and V8, which collects when it allocates, keeps them as long as nobody calls. A collection takes some 20 ms.
 */
export function trimWhenIdle(): void {
  let before: EventLoopUtilization = performance.eventLoopUtilization();
  let held = 0;
  let kept = 0;
  let idleLooks = 0;
  setInterval(() => {
    const isIdle = performance.eventLoopUtilization(before).utilization < IDLE_SHARE;
    idleLooks = isIdle ? idleLooks + 1 : 0;
    const isLate = idleLooks === LONG_IDLE_LOOKS && unusedHeap() >= LATE_BYTES;
    const isWorth = footprint() >= held + WORTH_BYTES || usedHeap() >= kept + GARBAGE_BYTES;
    if (isLate || (isIdle && isWorth)) {
      collect();
      // The young generation shrinks only at the second, which also moves what is left in half empty pages together.
      setFlagsFromString('--optimize-for-size');
      collect();
      setFlagsFromString('--no-optimize-for-size');
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
