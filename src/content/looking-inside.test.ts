import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bufferSource } from './bytes.js';
import { ContentManager } from './content-manager.js';
import { locateLines, parseLines } from './lines.js';
import { measure } from './media.js';
import { outlineText, outlineValue } from './outline.js';
import type { ReadRequest } from './read.js';
import { fitsTokens } from './tokens.js';

const refused = expect.objectContaining({ code: 'INVALID_ARGUMENTS' });

describe('looking inside', () => {
  let home = '';
  let content: ContentManager;
  const keep = async (data: string) =>
    (await content.put('ann', { kind: 'text', mimeType: 'text/plain', data })).id;
  const read = (id: string, request: ReadRequest) => content.read('ann', id, request);

  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), 'mcprt-look-'));
    content = await ContentManager.open({ directory: join(home, 'content'), maxResultTokens: 500 });
  });
  afterAll(() => {
    content.close();
    rmSync(home, { recursive: true, force: true });
  });

  it('finds lines as a split would', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ unit: fc.constantFrom('a', 'é', '\r', ' '), maxLength: 5 }), {
          minLength: 1,
          maxLength: 30,
        }),
        fc.boolean(),
        fc.nat(30),
        fc.nat(30),
        async (texts, closed, first, more) => {
          const text = texts.join('\n') + (closed ? '\n' : '');
          const expected = text.split(/(?<=\n)/);
          const [from, to] = [first + 1, first + 1 + more];
          const source = bufferSource(Buffer.from(text));
          if (from > expected.length && text !== '') {
            const total = expect.objectContaining({
              code: 'INVALID_ARGUMENTS',
              data: { lines: expected.length },
            });
            await expect(locateLines(source, { from, to })).rejects.toEqual(total);
          } else if (text !== '') {
            const { start, end } = await locateLines(source, { from, to });
            expect((await source.read(start, end)).toString()).toBe(expected.slice(from - 1, to).join(''));
          }
        },
      ),
    );
  });

  it('understands ranges and refuses what is none', () => {
    expect(parseLines('120-180')).toEqual({ from: 120, to: 180 });
    expect(parseLines(' 7 ')).toEqual({ from: 7, to: 7 });
    expect(parseLines('7-')).toEqual({ from: 7, to: undefined });
    for (const bad of ['', '0', '-5', '9-3', 'a-b', '1-2-3', '1.5', '1e9', '1'.repeat(400)]) {
      expect(() => parseLines(bad), bad).toThrow(refused);
    }
  });

  it('gives lines that do not fit in chunks, and says how to go on', async () => {
    const lines = Array.from({ length: 2000 }, (_, n) => `this is line number ${n + 1}\n`);
    const id = await keep(lines.join(''));
    const few = await read(id, { lines: '10-12' });
    expect([few.text, few.chunk, few.next]).toEqual([lines.slice(9, 12).join(''), undefined, undefined]);
    let joined = '';
    let request: ReadRequest = { lines: '100-400' };
    for (;;) {
      const part = await read(id, request);
      expect(await fitsTokens(part.text ?? '', 500)).toBe(true);
      joined += part.text;
      if (part.next === undefined) break;
      const next = Number(/chunk_index=(\d+)\) goes on/.exec(part.next)?.[1]);
      expect(part.next).toContain('lines="100-400"');
      request = { lines: '100-400', chunkIndex: next };
    }
    expect(joined).toBe(lines.slice(99, 400).join(''));
    await expect(read(id, { lines: '2001' })).rejects.toMatchObject({
      message: expect.stringContaining('2000 lines'),
    });
  });

  it('searches as grep does, with line numbers and context, to the end in bounded parts', async () => {
    const lines = Array.from({ length: 3000 }, (_, n) => (n % 100 === 7 ? `ERROR code ${n}` : `fine ${n}`));
    const id = await keep(lines.join('\n'));
    const first = await read(id, { search: 'ERROR code (7|107)$' });
    expect(first.text).toBe(
      ['6- fine 5', '7- fine 6', '8: ERROR code 7', '9- fine 8', '10- fine 9', '--']
        .concat(['106- fine 105', '107- fine 106', '108: ERROR code 107', '109- fine 108', '110- fine 109'])
        .join('\n'),
    );
    expect(first.next).toBeUndefined();
    const found: string[] = [];
    let request: ReadRequest = { search: '(?i)error' };
    for (;;) {
      const part = await read(id, request);
      expect(await fitsTokens(part.text ?? '', 500)).toBe(true);
      found.push(...(part.text ?? '').split('\n').filter((line) => /^\d+: /.test(line)));
      if (part.next === undefined) break;
      request = { search: '(?i)error', lines: /lines="(\d+-)"/.exec(part.next)?.[1] };
    }
    expect(found).toEqual(Array.from({ length: 30 }, (_, n) => `${n * 100 + 8}: ERROR code ${n * 100 + 7}`));
    expect((await read(id, { search: 'nowhere' })).text).toBe('No line matches.');
    expect((await read(id, { search: 'ERROR', lines: '1-7' })).text).toBe('No line matches.');
  });

  it('shows the surroundings of matches in a line without end', async () => {
    const id = await keep(`{"a":"${'x'.repeat(5000)}needle${'y'.repeat(5000)}needle"}`);
    const { text } = await read(id, { search: 'needle' });
    expect(text?.split('\n')).toHaveLength(2);
    expect(text).toMatch(/^1:5007: …x+needley+…\n1:10013: …y+needle"\}$/);
  });

  it('answers in linear time for patterns that kill backtracking engines, and refuses what RE2 cannot do', async () => {
    const id = await keep(`${'a'.repeat(100_000)}!`);
    expect((await read(id, { search: '(a+)+$' })).text).toBe('No line matches.');
    for (const bad of ['(', 'a(?=b)', '(a)\\1', '', 'x'.repeat(1001), '(x{1000}){1000}']) {
      await expect(read(id, { search: bad }), bad).rejects.toEqual(refused);
    }
  });

  it('follows a JSON path, and chunks what does not fit', async () => {
    const items = Array.from({ length: 600 }, (_, n) => ({ id: n, name: `item ${n}` }));
    const id = await keep(JSON.stringify({ items, total: 600 }));
    expect((await read(id, { jsonPath: '$.total' })).text).toBe('600');
    expect((await read(id, { jsonPath: '$.items[?@.id > 597].name' })).text).toBe(
      '[\n"item 598",\n"item 599"\n]',
    );
    expect((await read(id, { jsonPath: '$.items[?match(@.name, "item 1.")].id' })).text).toContain('10,');
    let joined = '';
    for (let index = 0, total = 1; index < total; index += 1) {
      const part = await read(id, { jsonPath: '$.items[*].name', chunkIndex: index });
      total = part.chunk?.total ?? 1;
      joined += part.text;
    }
    expect(JSON.parse(joined)).toEqual(items.map(({ name }) => name));
    const nothing = await read(id, { jsonPath: '$.item' });
    expect(nothing).toMatchObject({ text: '[]', next: expect.stringContaining('{items: array(600)') });
    await expect(read(id, { jsonPath: '$.items[' })).rejects.toEqual(refused);
    await expect(read(id, { jsonPath: '$', lines: '1' })).rejects.toEqual(refused);
    await expect(read(id, { search: 'a', chunkIndex: 0 })).rejects.toEqual(refused);
    await expect(read(await keep('plain text'), { jsonPath: '$' })).rejects.toEqual(refused);
    const lines = await keep(items.map((item) => JSON.stringify(item)).join('\n'));
    expect((await read(lines, { jsonPath: '$[599].name' })).text).toBe('"item 599"');
  });

  it('uses a linear engine inside JSON paths too', async () => {
    const id = await keep(JSON.stringify([{ a: `${'a'.repeat(50_000)}!` }]));
    expect((await read(id, { jsonPath: '$[?search(@.a, "(a+)+$")]' })).text).toBe('[]');
    expect((await read(id, { jsonPath: '$[?search(@.a, "a!")].b' })).text).toBe('[]');
  });

  it('says what a text is without being long itself', () => {
    const wide = Object.fromEntries(
      Array.from({ length: 500 }, (_, n) => [`key number ${n}`, { deep: { deeper: [1] } }]),
    );
    expect(outlineValue(wide).length).toBeLessThanOrEqual(801);
    expect(outlineValue([1, 'a', null])).toBe('array(3) of number | string | null');
    expect(
      outlineText('Dear all, this is prose, with commas.\nAnd more, of it, here.\nAnd, so, on.\n'),
    ).toEqual({ kind: 'text' });
    expect(outlineText('a;b;c\n1;2;3\n4;5;6\n').detail).toBe('3 columns: a, b, c');
  });

  it('never fails on media that is none', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 60 }),
        fc.constantFrom('', '89504e47', 'ffd8ff', '47494638', '52494646'),
        (tail, head) => {
          const bytes = Buffer.concat([Buffer.from(head, 'hex'), tail]);
          expect(typeof measure('image/png', bytes)).toMatch(/string|undefined/);
        },
      ),
    );
    expect(measure('image/svg+xml', Buffer.from('<svg width="20px" height="10">'))).toBe('20x10');
    expect(measure('image/jpeg', Buffer.from('ffd8ffe000040000ffc0000b0800400080', 'hex'))).toBe('128x64');
    expect(measure('image/gif', Buffer.from('4749463839610a000500', 'hex'))).toBe('10x5');
  });
});
