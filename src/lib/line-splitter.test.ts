import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { cut } from '../../test/support/cut.js';
import { LineSplitter, type LongLine } from './line-splitter.js';

function split(
  chunks: readonly Buffer[],
  maxBytes = 1_000_000,
): { lines: string[]; long: LongLine[]; unfinished: number } {
  const lines: string[] = [];
  const long: LongLine[] = [];
  const splitter = new LineSplitter(maxBytes, {
    line: (line) => lines.push(line.toString('utf8')),
    tooLong: (line) => long.push(line),
  });
  for (const chunk of chunks) splitter.push(chunk);
  return { lines, long, unfinished: splitter.unfinished };
}

describe('LineSplitter', () => {
  it('gives the same lines however the bytes are cut', () => {
    const text = fc.string({
      unit: fc.constantFrom('a', '\n', 'é', '漢', '🎉', '\r', '\u2028', '\u0085'),
      maxLength: 60,
    });
    fc.assert(
      fc.property(text, fc.array(fc.nat(), { maxLength: 12 }), (whole, at) => {
        const expected = whole.split('\n');
        const rest = expected.pop() ?? '';
        const { lines, unfinished } = split(cut(Buffer.from(whole), at));
        expect(lines).toEqual(expected);
        expect(unfinished).toBe(Buffer.byteLength(rest));
      }),
    );
  });

  it('skips what is above the limit, tells both ends, and goes on', () => {
    const line = `head${'x'.repeat(20_000)}tail`;
    const pieces = cut(Buffer.from(`${line}\nnext\n`), [7, 9_000, 15_000]);
    const { lines, long } = split(pieces, 10_000);
    expect(lines).toEqual(['next']);
    expect(long).toHaveLength(1);
    expect(long[0]?.bytes).toBe(line.length);
    expect(long[0]?.head.toString()).toMatch(/^headx+$/);
    expect(long[0]?.tail.toString()).toMatch(/^x+tail$/);
  });

  it('does not join a long line for who can do with its pieces', () => {
    const told: { line: Buffer[]; whole: string[] } = { line: [], whole: [] };
    const splitter = new LineSplitter(1e6, {
      line: (line) => told.whole.push(line.toString()),
      pieces: (line) => told.line.push(...line),
      tooLong: () => {},
    });
    const chunks = [
      ...Array<Buffer>(5).fill(Buffer.alloc(64 * 1_024, 0x61)),
      Buffer.from('b\nshort'),
      Buffer.from('er\n'),
    ];
    for (const chunk of chunks) splitter.push(chunk);
    expect(told.line).toHaveLength(6);
    expect(told.line[0]?.buffer).toBe(chunks[0]?.buffer);
    expect(told.line.at(-1)?.toString()).toBe('b');
    expect(told.whole).toEqual(['shorter']);

    // Hundreds of thousands of tiny pieces would cost more than the copy.
    for (let at = 0; at < 300; at += 1) splitter.push(Buffer.alloc(1_000, 0x63));
    splitter.push(Buffer.from('\n'));
    expect(told.line).toHaveLength(6);
    expect(told.whole.at(-1)).toHaveLength(300_000);
  });

  it('is linear in bytes: each is copied once', () => {
    const concat = vi.spyOn(Buffer, 'concat');
    const chunk = Buffer.alloc(64 * 1_024, 0x61);
    const { lines } = split([...Array<Buffer>(1_024).fill(chunk), Buffer.from('\n')], 1e9);
    let copied = 0;
    for (const { value } of concat.mock.results) copied += (value as Buffer).byteLength;
    concat.mockRestore();
    expect(lines[0]).toHaveLength(1_024 * chunk.byteLength);
    // Joined on each chunk it would be 512 times as much.
    expect(copied).toBe(1_024 * chunk.byteLength);
  });

  it('keeps nothing of a line above the limit for who has seen it grow', () => {
    let seen: readonly Buffer[] = [];
    let most = 0;
    const splitter = new LineSplitter(1_000_000, {
      line: () => expect.unreachable(),
      pieces: () => expect.unreachable(),
      growing: (pieces) => {
        seen = pieces;
        most = Math.max(most, pieces.length);
      },
      tooLong: () => {},
    });
    for (let i = 0; i < 20; i += 1) splitter.push(Buffer.alloc(65_536, 'x'));
    expect(most).toBe(15);
    expect(seen).toEqual([]);
  });
});
