import fc from 'fast-check';
import * as cl100k from 'gpt-tokenizer/encoding/cl100k_base';
import { describe, expect, it } from 'vitest';
import { bufferSource } from './bytes.js';
import { chunkAt, chunkRange, chunkTotal, mapChunks } from './chunks.js';

const count = (text: string) => cl100k.countTokens(text, { disallowedSpecial: new Set() });

async function allChunks(bytes: Buffer, limit: number) {
  const source = bufferSource(bytes);
  const map = await mapChunks(source, limit);
  const parts: Buffer[] = [];
  for (let index = 0; index < chunkTotal(map); index += 1) {
    const { start, end } = await chunkRange(source, map, index);
    expect(end).toBeGreaterThan(start);
    for (const byte of [start, end - 1]) expect(await chunkAt(source, map, byte)).toBe(index);
    parts.push(await source.read(start, end));
  }
  return parts;
}

describe('chunks', () => {
  it('STO-06: joined they are the original byte for byte, no code point is cut, none exceeds the limit', async () => {
    const word = fc.oneof(
      fc.constantFrom(
        'word ',
        'line\n',
        '😀',
        '漢字',
        'é',
        '    ',
        'ZXQJKVW',
        '0123456789',
        '{"key": [1,2,3]},',
      ),
      fc.string({ unit: 'grapheme', maxLength: 20 }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(word, fc.integer({ min: 1, max: 400 })), { minLength: 1, maxLength: 30 }),
        fc.integer({ min: 16, max: 400 }),
        async (runs, limit) => {
          const text = runs.map(([unit, times]) => unit.repeat(times)).join('');
          fc.pre(text.length > 0);
          const bytes = Buffer.from(text);
          const parts = await allChunks(bytes, limit);
          expect(Buffer.concat(parts).equals(bytes)).toBe(true);
          const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
          for (const part of parts) {
            const chunk = decoder.decode(part);
            // A run cut by force may count differently at its seams by a token or two.
            expect(count(chunk)).toBeLessThanOrEqual(limit + Math.ceil(chunk.length / 512) * 2);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('keeps bytes that are no UTF-8', async () => {
    const bytes = Buffer.alloc(5000, 0x80);
    expect(Buffer.concat(await allChunks(bytes, 100)).equals(bytes)).toBe(true);
  });

  it('gives a text that fits as one chunk, and an empty one too', async () => {
    expect(chunkTotal(await mapChunks(bufferSource(Buffer.from('short')), 4000))).toBe(1);
    expect(chunkTotal(await mapChunks(bufferSource(Buffer.alloc(0)), 4000))).toBe(1);
  });

  it('fills chunks of prose and prefers to cut at line ends', async () => {
    const text = 'The quick brown fox jumps over the lazy dog.\n'.repeat(4000);
    const parts = await allChunks(Buffer.from(text), 4000);
    expect(parts.length).toBeLessThanOrEqual(Math.ceil(count(text) / 3400));
    for (const part of parts) expect(part.at(-1)).toBe(10);
  });

  it('reads only the first part of a large text to know all its chunks', async () => {
    const size = 200 * 1024 * 1024;
    let highest = 0;
    const line = Buffer.from('0123456789 abcdef ghijklm\n');
    const source = {
      size,
      read: async (from: number, to: number) => {
        highest = Math.max(highest, to);
        return Buffer.alloc(Math.min(to, size) - from, line);
      },
    };
    const map = await mapChunks(source, 4000);
    expect(highest).toBeLessThan(2 * 1024 * 1024);
    const { start, end } = await chunkRange(source, map, chunkTotal(map) - 1);
    expect(end).toBe(size);
    expect(end - start).toBeLessThanOrEqual(4000);
  });
});
