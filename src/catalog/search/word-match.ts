import { createByteScan } from './scan-kernel.js';
import type { StaticEmbedder } from './static-table.js';
import { splitIdentifiers } from './tokenize.js';
import type { Meaning } from './vectorise.js';

// A word found only far down in a description says less about what the tool does.
const OTHERS_WEIGHT = 0.8;
const MOST_WORDS = 24;

/**
 * Compares a wish with tools word by word: how near each of its words is to the tool's nearest word. Sharper than sums
 * of vectors while a wish is short; a long one has too many words that are only said along.
 */
export interface WordMatcher {
  set(slot: number, meaning: Meaning): void;
  remove(slot: number): void;
  /** For each of `slots`, 0..1: the mean over the words of `text`, weighed by how much each says. */
  compare(text: string, slots: readonly number[]): number[];
}

/** A matcher without tools. */
export function createWordMatcher(embedder: StaticEmbedder): WordMatcher {
  const tools = new Map<number, Meaning>();
  const scan = createByteScan(embedder.dimensions);
  scan.reserve(MOST_WORDS);
  return {
    set: (slot, meaning) => void tools.set(slot, meaning),
    remove: (slot) => void tools.delete(slot),
    compare(text, slots) {
      const asked = [...new Set(embedder.encode(splitIdentifiers(text), MOST_WORDS))];
      const weights = asked.map((row) => embedder.weight(row));
      const steps = asked.map((row) => embedder.steps(row));
      for (const [i, row] of asked.entries()) scan.at(i).set(embedder.bytes(row));
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      // Tools that answer the same wish share most of their words: each word is compared once a query.
      const seen = new Map<number, number>();
      let cosines = new Float32Array(256 * asked.length);
      const at = (row: number): number => {
        let found = seen.get(row);
        if (found === undefined) {
          found = seen.size * asked.length;
          seen.set(row, found);
          if (found + asked.length > cosines.length) {
            const more = new Float32Array(2 * cosines.length);
            more.set(cosines);
            cosines = more;
          }
          const products = scan.products(embedder.bytes(row), 0, asked.length);
          const own = embedder.steps(row);
          for (let i = 0; i < steps.length; i++)
            cosines[found + i] = (products[i] as number) / (own * (steps[i] as number));
        }
        return found;
      };
      const best = new Float32Array(asked.length);
      const raise = (rows: Uint16Array, weight: number): void => {
        for (const row of rows) {
          const from = at(row);
          for (let i = 0; i < best.length; i++) {
            const cosine = weight * (cosines[from + i] as number);
            if (cosine > (best[i] as number)) best[i] = cosine;
          }
        }
      };
      return slots.map((slot) => {
        const tool = tools.get(slot);
        if (tool === undefined || total === 0) return 0;
        best.fill(0);
        raise(tool.first, 1);
        raise(tool.others, OTHERS_WEIGHT);
        return best.reduce((sum, cosine, i) => sum + cosine * (weights[i] as number), 0) / total;
      });
    },
  };
}
