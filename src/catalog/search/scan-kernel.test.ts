import { expect, test } from 'vitest';
import { createByteScan } from './scan-kernel.js';

// Values that a generator gives: enough to meet every sign and both ends.
const value = (i: number): number => ((i * 7_919 + 104_729) % 255) - 127;

test.each([8, 250, 256, 384])(
  'WebAssembly and the plain loop give the same products of %i values',
  (dimensions) => {
    const query = Int8Array.from({ length: 8 * Math.ceil(dimensions / 8) }, (_, i) =>
      i < dimensions ? value(3 * i) : 0,
    );
    const [fast, plain] = [true, false].map((simd) => {
      const scan = createByteScan(dimensions, simd);
      for (let slot = 0; slot < 900; slot++) {
        // Growing on the way must not lose what is there.
        scan.reserve(slot + 1);
        for (let i = 0; i < dimensions; i++) scan.at(slot)[i] = value(slot * 31 + i);
      }
      return [...scan.products(query, 5, 900)];
    });
    expect(fast).toEqual(plain);
    expect(fast).toHaveLength(895);
  },
);
