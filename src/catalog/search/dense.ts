import { createTop } from './top.js';
import { dot, dotBytes } from './vector.js';

// Principal components come first in the shipped table, so a quarter of them is enough to find who is worth comparing
// in full; below this many documents the saving is not worth the second pass.
const COARSE_FROM = 3_000;
const COARSE_DIMENSIONS = 64;
const COARSE_KEEPS = 4;

/** Vectors of one model, by slot. */
export interface DenseSpace {
  /** The id of the embedder that made them. */
  readonly model: string;
  readonly dimensions: number;
  set(slot: number, vector: Float32Array): void;
  remove(slot: number): void;
  has(slot: number): boolean;
  /** Cosine of `slot` with `query`; 0 when the slot has no vector. */
  similarity(slot: number, query: Float32Array): number;
  /** The best `count` slots for `query` among those that `accept` takes. */
  nearest(query: Float32Array, count: number, accept: (slot: number) => boolean): number[];
}

/** An empty space; `coarse` when leading dimensions matter most, as after a principal component rotation. */
export function createDenseSpace(model: string, dimensions: number, coarse: boolean): DenseSpace {
  let vectors = new Float32Array(0);
  let rough = new Int8Array(0);
  let present = new Uint8Array(0);
  let end = 0;
  let count = 0;

  const grow = (slot: number): void => {
    if (slot < present.length) return;
    const capacity = Math.max(256, slot + 1, Math.ceil(present.length * 1.5));
    const more = new Float32Array(capacity * dimensions);
    more.set(vectors);
    vectors = more;
    if (coarse) {
      const roughly = new Int8Array(capacity * COARSE_DIMENSIONS);
      roughly.set(rough);
      rough = roughly;
    }
    const flags = new Uint8Array(capacity);
    flags.set(present);
    present = flags;
  };

  const scan = (
    wanted: number,
    accept: (slot: number) => boolean,
    scoreOf: (slot: number) => number,
  ): number[] => {
    const top = createTop(wanted);
    let floor = top.floor;
    for (let slot = 0; slot < end; slot++) {
      if (present[slot] === 0) continue;
      const score = scoreOf(slot);
      if (score <= floor || !accept(slot)) continue;
      top.offer(slot, score);
      floor = top.floor;
    }
    return top.slots();
  };

  return {
    model,
    dimensions,
    set(slot, vector) {
      grow(slot);
      if (present[slot] === 0) count++;
      present[slot] = 1;
      vectors.set(vector, slot * dimensions);
      if (coarse) rough.set(roughly(vector), slot * COARSE_DIMENSIONS);
      end = Math.max(end, slot + 1);
    },
    remove(slot) {
      if (present[slot] !== 1) return;
      present[slot] = 0;
      count--;
    },
    has: (slot) => present[slot] === 1,
    similarity: (slot, query) =>
      present[slot] === 1 ? dot(vectors, slot * dimensions, query, dimensions) : 0,
    nearest(query, wanted, accept) {
      const exact = (slot: number): number => dot(vectors, slot * dimensions, query, dimensions);
      if (!coarse || count < COARSE_FROM) return scan(wanted, accept, exact);
      const asked = roughly(query);
      const near = scan(wanted * COARSE_KEEPS, accept, (slot) =>
        dotBytes(rough, slot * COARSE_DIMENSIONS, asked),
      );
      const top = createTop(wanted);
      for (const slot of near) top.offer(slot, exact(slot));
      return top.slots();
    },
  };
}

/** Leading components as bytes; a component of a vector of length one is seldom beyond a half. */
function roughly(vector: Float32Array): Int8Array {
  const bytes = new Int8Array(COARSE_DIMENSIONS);
  for (let i = 0; i < COARSE_DIMENSIONS; i++) {
    bytes[i] = Math.max(-127, Math.min(127, Math.round(254 * (vector[i] ?? 0))));
  }
  return bytes;
}
