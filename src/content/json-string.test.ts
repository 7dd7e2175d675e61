import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cut } from '../../test/support/cut.js';
import { JsonString, longStrings, TextTally } from './json-string.js';
import { Lifted } from './lifted.js';

const escaped = (text: string) =>
  [...Array(text.length).keys()]
    .map((at) => `\\u${text.charCodeAt(at).toString(16).padStart(4, '0')}`)
    .join('');

const cuts = fc.array(fc.nat(), { maxLength: 8 });

function read(inner: string, at: readonly number[] = []) {
  const string = new JsonString(cut(Buffer.from(inner), at));
  const tally = new TextTally();
  // Copied one by one: a block is valid until the next is taken.
  const pieces = Array.from(string.blocks(tally), (block) => Buffer.from(block));
  return { string, tally, bytes: Buffer.concat(pieces), pieces };
}

const anyText = fc.string({ unit: 'binary', maxLength: 200 });
const oddText = fc
  .array(
    fc.constantFrom(
      '\n',
      '"',
      '\\',
      '\t',
      '/',
      'é',
      '漢',
      '😀',
      '\ud83d',
      '\ude00',
      '\u0000',
      'plain words ',
    ),
    { maxLength: 60 },
  )
  .map((parts) => parts.join(''));

describe('JsonString', () => {
  it('STO-09: gives the bytes, the characters and the lines that the decoded string has, however it is escaped', () => {
    fc.assert(
      fc.property(fc.oneof(anyText, oddText), fc.boolean(), cuts, (text, all, at) => {
        const { string, tally, bytes } = read(all ? escaped(text) : JSON.stringify(text).slice(1, -1), at);
        expect(bytes.equals(Buffer.from(text))).toBe(true);
        expect(string.toString()).toBe(text);
        expect(tally.chars).toBe(bytes.toString('utf8').length);
        expect(tally.newlines).toBe(text.split('\n').length - 1);
        expect(
          text.startsWith(
            string
              .head(50)
              .replace(/\ufffd/g, '')
              .slice(0, 3),
          ) || /[\ud800-\udfff]/.test(text),
        ).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  it('STO-09: is whole across its windows, and an escape is never cut', () => {
    for (const unit of ['\\n', 'ab\\u00e9', '\\ud83d\\ude00', '漢', '😀\\"', 'x']) {
      const inner = unit.repeat(Math.ceil(2_300_000 / unit.length));
      const text = JSON.parse(`"${inner}"`) as string;
      for (const at of [[], [65_536, 131_071, 131_073, 1_000_001]]) {
        const { string, tally, bytes, pieces } = read(inner, at);
        expect(pieces.length).toBeGreaterThan(1);
        expect(bytes.equals(Buffer.from(text)), unit).toBe(true);
        expect(tally.chars, unit).toBe(text.length);
        const head = string.head(70_000);
        expect(text.startsWith(head), unit).toBe(true);
        expect(Buffer.byteLength(head)).toBeGreaterThanOrEqual(70_000 - 3);
      }
    }
  });

  it('decodes base64, also with escaped slashes', () => {
    const data = Buffer.from(Array.from({ length: 300 }, (_, n) => (n * 7) % 256));
    for (const inner of [data.toString('base64'), data.toString('base64').replaceAll('/', '\\/')])
      for (const at of [[], [7, 100, 101]])
        expect(read(inner, at).string.decodeBase64().equals(data)).toBe(true);
  });
});

describe('Lifted', () => {
  it('STO-09: leaves long values where they are, puts them back, and takes no name for a value', () => {
    const values = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        anyText,
        oddText,
        fc.integer(),
        fc.constant(null),
        fc.array(tie('value'), { maxLength: 4 }),
        fc.dictionary(anyText, tie('value'), { maxKeys: 4 }),
      ),
    })).value;
    fc.assert(
      fc.property(
        values,
        fc.integer({ min: 0, max: 40 }),
        fc.integer({ min: 0, max: 2 }),
        cuts,
        (value, least, indent, at) => {
          const json = Buffer.from(JSON.stringify(value, null, indent));
          const lifted = Lifted.from(cut(json, at), least);
          if (lifted) expect(lifted.restore(lifted.value)).toEqual(JSON.parse(json.toString('utf8')));
        },
      ),
      { numRuns: 500 },
    );
    expect(Lifted.from(cut(Buffer.from('{"a long enough name" : 1}'), [21, 22]), 4)).toBeUndefined();
    expect(longStrings([Buffer.from('["unfinished')], 1)).toBeUndefined();
  });
});
