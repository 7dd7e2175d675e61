import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cut } from '../../test/support/cut.js';
import { type MemberName, memberNames } from './json-members.js';
import { scanMessage } from './json-scan.js';

const encode = (text: string) => Buffer.from(text, 'utf8');

function parsed(text: string): { ok: boolean; value?: unknown } {
  try {
    return { ok: true, value: JSON.parse(text) };
  } catch {
    return { ok: false };
  }
}

/** Each byte in a piece of its own. */
const crumbs = (bytes: Buffer) => Array.from(bytes, (_, at) => bytes.subarray(at, at + 1));

function expectSame(text: string, at: readonly number[] = []): void {
  const bytes = encode(text);
  const scan = scanMessage(bytes);
  expect(scanMessage(cut(bytes, at)), text).toEqual(scan);
  expect(scanMessage(crumbs(bytes)), text).toEqual(scan);
  const { ok, value } = parsed(text);
  expect(scan.valid, text).toBe(ok);
  if (!ok) return;
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  expect(scan.kind).toBe(isObject ? 'object' : Array.isArray(value) ? 'array' : 'other');
  for (const name of memberNames) {
    const span = scan.members[name];
    const has = isObject && Object.hasOwn(value, name);
    expect(span !== undefined, `${name} in ${text}`).toBe(has);
    if (span) {
      const slice = bytes.subarray(span.start, span.end).toString('utf8');
      expect(JSON.parse(slice)).toEqual((value as Record<MemberName, unknown>)[name]);
      expect(slice).toBe(slice.trim());
    }
  }
}

const cuts = fc.array(fc.nat(), { maxLength: 6 });
const space = fc.string({ unit: fc.constantFrom(' ', '\t', '\n', '\r'), maxLength: 3 });
const key = fc.oneof(
  fc.constantFrom(...memberNames),
  fc.constantFrom('\\u0069d', 'r\\u0065sult', '__proto__', 'ID', 'id ', ''),
  fc.string({ maxLength: 8 }).map((text) => JSON.stringify(text).slice(1, -1)),
);
/** Objects as they are never printed by JSON.stringify: odd order, twice the same name, space everywhere, nested ids. */
const wildObject = fc
  .array(fc.tuple(key, fc.json({ maxDepth: 4 }), space, space), { maxLength: 8 })
  .map((members) => {
    const inner = members
      .map(([name, value, before, after]) => `${before}"${name}"${after}:${before}${value}${after}`)
      .join(',');
    return `${members[0]?.[2] ?? ''}{${inner || ' '}}${members[0]?.[3] ?? ''}`;
  });

describe('scanMessage', () => {
  it('agrees with JSON.parse on any JSON', () => {
    fc.assert(fc.property(fc.json({ maxDepth: 6 }), cuts, expectSame), { numRuns: 500 });
  });

  it('agrees with JSON.parse on objects in every spelling', () => {
    fc.assert(fc.property(wildObject, cuts, expectSame), { numRuns: 2_000 });
  });

  it('agrees with JSON.parse on text that was damaged', () => {
    const damage = fc.tuple(
      wildObject,
      fc.nat(),
      fc.constantFrom(
        '',
        '"',
        '\\',
        '{',
        '}',
        '[',
        ']',
        ',',
        ':',
        '0',
        '-',
        '.',
        'e',
        '\u0001',
        ' ',
        'n',
        'é',
      ),
    );
    fc.assert(
      fc.property(damage, fc.boolean(), cuts, ([text, where, by], replace, places) => {
        const at = where % (text.length + 1);
        expectSame(text.slice(0, at) + by + text.slice(replace ? at + 1 : at), places);
      }),
      { numRuns: 4_000 },
    );
  });

  it.each([
    '',
    ' ',
    '01',
    '1.',
    '.5',
    '-',
    '1e',
    '1e+',
    '+1',
    'tru',
    'nul',
    'truex',
    '"',
    '"\\u12g4"',
    '"\\x"',
    '{,}',
    '{"a"}',
    '{"a":}',
    '{"a":1,}',
    '[1,]',
    '[,1]',
    '[1 2]',
    '{}{}',
    '\ufeff{}',
    '\u00a0{}',
  ])('agrees on %j', (text) => expectSame(text));

  it('agrees with JSON.parse on long texts, wherever they lie in memory', () => {
    const piece = fc.oneof(
      {
        weight: 8,
        arbitrary: fc.constantFrom('plain text ', 'äöü', '漢字🎉', 'x', '\\"', '\\u00e9', '\\\\'),
      },
      { weight: 1, arbitrary: fc.constantFrom('"', '\\', '\u0001', '\u001f', '\u0000', '\u007f', '\u0080') },
    );
    const body = fc.array(piece, { minLength: 100, maxLength: 300 }).map((pieces) => pieces.join(''));
    fc.assert(
      fc.property(body, fc.nat(7), fc.boolean(), cuts, (text, offset, closed, at) => {
        const json = `{"result":"${text}${closed ? '"}' : ''}`;
        const bytes = Buffer.concat([Buffer.alloc(offset), encode(json)]);
        const scan = scanMessage(bytes.subarray(offset));
        expect(scan.valid).toBe(parsed(json).ok);
        expect(scanMessage(cut(bytes.subarray(offset), at))).toEqual(scan);
      }),
      { numRuns: 1_500 },
    );
  });

  it.each(['', '"', '\\', '\\"', '\\u00e9', '\u0000', '\u001f', '\n', '\u007f', 'é', '漢', '🎉'])(
    'agrees with JSON.parse on %j anywhere within plain text',
    (special) => {
      for (const around of ['x', 'ü', '"}'])
        for (let before = 0; before < 120; before += 1) {
          const rest = around === '"}' ? around : `${around.repeat(120 - before)}"}`;
          expectSame(`{"id":"${'a'.repeat(500)}","result":"${'b'.repeat(before)}${special}${rest}`);
        }
    },
  );

  it('finds the end of a text wherever its pieces are cut', () => {
    for (const special of ['\\"', '\\u00e9', '\\\\', '\\u00', '\\', '\\x', '漢', '\u0001', '']) {
      const bytes = encode(`{"id":"${'a'.repeat(600)}${special}${'b'.repeat(600)}","result":{}}`);
      const scan = scanMessage(bytes);
      for (let at = 590; at < 630; at += 1)
        for (let then = at; then < at + 8; then += 1)
          expect(scanMessage(cut(bytes, [at, then])), `${special} ${at} ${then}`).toEqual(scan);
    }
  });

  it('measures the nesting without recursion', () => {
    expect(scanMessage(encode('7')).depth).toBe(0);
    expect(scanMessage(encode('{"a":[{}]}')).depth).toBe(3);
    const deep = 1_000_000;
    expect(scanMessage(encode('['.repeat(deep) + ']'.repeat(deep)))).toMatchObject({
      valid: true,
      depth: deep,
    });
  });

  it('tells what came before the fault', () => {
    const text = '{"jsonrpc":"2.0","id":12,"result":{"content":[';
    const { valid, members } = scanMessage(encode(text));
    expect(valid).toBe(false);
    expect(members.id).toEqual({ start: text.indexOf('12'), end: text.indexOf('12') + 2 });
    expect(members.result).toBeUndefined();
  });

  it('does not take a number for whole that may have been cut', () => {
    expect(scanMessage(encode('{"jsonrpc":"2.0","id":12')).members.id).toBeUndefined();
  });
});
