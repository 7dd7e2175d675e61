import fc from 'fast-check';
import * as cl100k from 'gpt-tokenizer/encoding/cl100k_base';
import { describe, expect, it } from 'vitest';
import { countTokens, fitsTokens, loadTokenizer } from './tokens.js';

const counter = async () => {
  const tokenizer = await loadTokenizer();
  return { count: (text: string) => tokenizer.count(text) };
};
const whole = (text: string) => cl100k.countTokens(text, { disallowedSpecial: new Set() });

describe('countTokens', () => {
  it('is exact up to the limit, whatever the pieces', async () => {
    const part = fc.oneof(
      fc.constantFrom(
        'The quick brown fox ',
        'jumps\n',
        '\n\n  indented(x);\n',
        "it's ",
        '12345 ',
        '{"a": [1, 2]}\n',
        '漢字 ',
        '今日は、天気がいい。散歩',
      ),
      fc.string({ unit: 'grapheme', maxLength: 40 }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(part, { maxLength: 400 }), async (parts) => {
        const text = parts.join('');
        const counted = await countTokens(text, 100_000);
        if (counted.exact) expect(counted.tokens).toBe(whole(text));
        else expect(counted.tokens).toBe(Buffer.byteLength(text));
      }),
      { numRuns: 60 },
    );
  });

  it('counts prose longer than one piece exactly', async () => {
    const text = 'It was the best of times, it was the worst of times.\nAnd 7 more: a_b, c-d.\n'.repeat(200);
    expect(await countTokens(text, 10_000)).toEqual({ tokens: whole(text), exact: true });
  });

  it('agrees with the library on whatever a server may send', async () => {
    const { count } = await counter();
    const unit = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 60 }),
      fc.string({ unit: 'grapheme-composite', maxLength: 60 }),
      fc.constantFrom(
        "I'll",
        "WE'RE ",
        '\r\n\r\n',
        ' \t ',
        '١٢٣٤',
        '\u00a0',
        '👩‍👩‍👧',
        'Ünïcödé',
        '<|im_start|>',
      ),
    );
    fc.assert(
      fc.property(fc.array(unit, { maxLength: 12 }), (parts) => {
        const text = Buffer.from(parts.join('').replaceAll('\ufeff', '')).toString();
        expect(count(text)).toBe(whole(text));
      }),
      { numRuns: 1_000 },
    );
  });

  it('takes half a surrogate pair for the character that replaces it', async () => {
    const { count } = await counter();
    expect(count('a\ud800b')).toBe(whole('a\ufffdb'));
    expect(count('\udc00')).toBe(whole('\ufffd'));
  });

  it('finds the token of the byte order mark, which the library loses while it decodes', async () => {
    expect((await counter()).count('\ufeff')).toBe(1);
  });

  it('takes control tokens for the text they are', async () => {
    expect((await countTokens('<|endoftext|>'.repeat(50), 600)).exact).toBe(true);
  });

  it('answers for runs without any break, where the tokenizer alone is quadratic', async () => {
    for (const unit of ['A', ' ', '\n', '-', '漢', '😀', 'ab', '\ud800']) {
      const counted = await countTokens(unit.repeat(200_000), 4096);
      expect(counted.tokens).toBeGreaterThan(1500);
    }
  });

  it('estimates beyond the limit', async () => {
    const text = 'The quick brown fox jumps over the lazy dog. '.repeat(100_000);
    const { tokens, exact } = await countTokens(text, 4096);
    expect(exact).toBe(false);
    expect(Math.abs(tokens - 1_000_000)).toBeLessThan(50_000);
  });

  it('knows without counting what surely fits and what surely does not', async () => {
    expect(await fitsTokens('x'.repeat(100), 100)).toBe(true);
    expect(await fitsTokens('x '.repeat(1_000_000), 100)).toBe(false);
    expect(await fitsTokens('word '.repeat(90), 100)).toBe(true);
    expect(await fitsTokens('word '.repeat(110), 100)).toBe(false);
  });
});
