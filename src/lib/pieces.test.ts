import { isUtf8 } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cut } from '../../test/support/cut.js';
import { areUtf8, lengthOf, oneOf } from './pieces.js';

const cuts = fc.array(fc.nat(), { maxLength: 10 });
const text = fc
  .tuple(
    fc.string({ unit: fc.constantFrom('a', 'é', '漢', '🎉'), maxLength: 12 }),
    fc.nat(),
    fc.option(fc.nat(255)),
  )
  .map(([good, at, instead]) => {
    const bytes = Buffer.from(good);
    if (instead !== null && bytes.length > 0) bytes[at % bytes.length] = instead;
    return bytes;
  });

describe('pieces', () => {
  it('are UTF-8 when the whole is, wherever characters are torn', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          text,
          fc.uint8Array({ maxLength: 20 }).map((one) => Buffer.from(one)),
        ),
        cuts,
        (bytes, at) => {
          expect(areUtf8(cut(bytes, at))).toBe(isUtf8(bytes));
        },
      ),
      { numRuns: 5_000 },
    );
  });

  it('are joined where a part lies in several, and not where it lies in one', () => {
    fc.assert(
      fc.property(text, cuts, fc.nat(40), fc.nat(40), (bytes, at, one, other) => {
        const [start, end] = [Math.min(one, other), Math.max(one, other)];
        expect(oneOf(cut(bytes, at), start, end).equals(bytes.subarray(start, end))).toBe(true);
        expect(lengthOf(cut(bytes, at))).toBe(bytes.byteLength);
      }),
    );
    const pieces = [Buffer.from('abc'), Buffer.from('def')];
    expect(oneOf(pieces, 3, 5).buffer).toBe(pieces[1]?.buffer);
    expect(oneOf(pieces, 3, 5).byteOffset).toBe(pieces[1]?.byteOffset);
  });
});
