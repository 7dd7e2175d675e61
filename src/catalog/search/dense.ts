import { createByteScan, MOST_AT_ONCE } from './scan-kernel.js';
import { createTop } from './top.js';

/** Vectors of one model, by slot, kept as bytes with a scale each: a cosine is true to some thousandths. */
export interface DenseSpace {
  /** The id of the embedder that made them. */
  readonly model: string;
  readonly dimensions: number;
  set(slot: number, vector: Float32Array): void;
  remove(slot: number): void;
  has(slot: number): boolean;
  /** Cosine of `slot` with `query`; 0 when the slot has no vector. */
  similarity(slot: number, query: Float32Array): number;
  /** The best `count` slots for `query` among those that `accept` takes (all, without it). */
  nearest(query: Float32Array, count: number, accept?: (slot: number) => boolean): number[];
}

/** An empty space. */
export function createDenseSpace(model: string, dimensions: number): DenseSpace {
  const scan = createByteScan(dimensions);
  // The scale of each slot's bytes; 0 where there is no vector.
  let scales = new Float32Array(0);
  let end = 0;

  const grow = (slot: number): void => {
    if (slot < scales.length) return;
    const capacity = Math.max(64, slot + 1, Math.ceil(scales.length * 1.5));
    scan.reserve(capacity);
    const more = new Float32Array(capacity);
    more.set(scales);
    scales = more;
  };

  return {
    model,
    dimensions,
    set(slot, vector) {
      grow(slot);
      scales[slot] = quantise(vector, scan.at(slot));
      end = Math.max(end, slot + 1);
    },
    remove(slot) {
      if (slot < scales.length) scales[slot] = 0;
    },
    has: (slot) => (scales[slot] ?? 0) > 0,
    similarity(slot, query) {
      const scale = scales[slot] ?? 0;
      if (scale === 0) return 0;
      const bytes = scan.at(slot);
      let sum = 0;
      for (let i = 0; i < dimensions; i++) sum += (bytes[i] as number) * (query[i] as number);
      return scale * sum;
    },
    nearest(query, count, accept) {
      const asked = new Int8Array(8 * Math.ceil(dimensions / 8));
      quantise(query, asked);
      const top = createTop(count);
      let floor = top.floor;
      for (let from = 0; from < end; from += MOST_AT_ONCE) {
        const to = Math.min(end, from + MOST_AT_ONCE);
        const products = scan.products(asked, from, to);
        for (let slot = from; slot < to; slot++) {
          const scale = scales[slot] as number;
          const score = scale * (products[slot - from] as number);
          if (scale === 0 || score <= floor || (accept !== undefined && !accept(slot))) continue;
          top.offer(slot, score);
          floor = top.floor;
        }
      }
      return top.slots();
    },
  };
}

/** Writes `vector` to `bytes`; gives what a step of a byte is worth. */
function quantise(vector: Float32Array, bytes: Int8Array): number {
  let most = 0;
  for (const value of vector) most = Math.max(most, Math.abs(value));
  const scale = most / 127;
  if (scale > 0) for (let i = 0; i < vector.length; i++) bytes[i] = Math.round((vector[i] as number) / scale);
  return scale;
}
