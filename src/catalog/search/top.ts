/** Keeps the best `capacity` (slot, score) pairs of any number offered; a min-heap in two typed arrays. */
export interface Top {
  /** Scores at or below this need not be offered. */
  readonly floor: number;
  offer(slot: number, score: number): void;
  /** The kept slots, best first; equal scores by lower slot. */
  slots(): number[];
}

/** An empty collection of the best `capacity`. */
export function createTop(capacity: number): Top {
  const slots = new Int32Array(capacity);
  const scores = new Float64Array(capacity);
  let size = 0;

  const sink = (slot: number, score: number): void => {
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= size) break;
      if (child + 1 < size && (scores[child + 1] as number) < (scores[child] as number)) child++;
      if ((scores[child] as number) >= score) break;
      slots[at] = slots[child] as number;
      scores[at] = scores[child] as number;
      at = child;
    }
    slots[at] = slot;
    scores[at] = score;
  };

  return {
    get floor() {
      return size < capacity ? Number.NEGATIVE_INFINITY : (scores[0] as number);
    },
    offer(slot, score) {
      if (size === capacity) {
        if (score > (scores[0] as number)) sink(slot, score);
        return;
      }
      let at = size++;
      while (at > 0) {
        const parent = (at - 1) >> 1;
        if ((scores[parent] as number) <= score) break;
        slots[at] = slots[parent] as number;
        scores[at] = scores[parent] as number;
        at = parent;
      }
      slots[at] = slot;
      scores[at] = score;
    },
    slots() {
      const order = Array.from({ length: size }, (_, i) => i);
      order.sort(
        (a, b) =>
          (scores[b] as number) - (scores[a] as number) || (slots[a] as number) - (slots[b] as number),
      );
      return order.map((i) => slots[i] as number);
    },
  };
}
