import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cut } from '../../test/support/cut.js';
import { idOfLongLine, readMessage } from './message.js';

const read = (text: string) => readMessage(Buffer.from(text, 'utf8'));

const cuts = fc.array(fc.nat(), { maxLength: 8 });
/** Answers as servers print them: members in any order, space anywhere, an id inside the result. */
const spelled = fc
  .tuple(
    fc.oneof(fc.nat(), fc.string({ maxLength: 5 })),
    fc.dictionary(
      fc.constantFrom('id', 'result', 'error', 'content', '"', '\\', 'é'),
      fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<unknown>,
      { maxKeys: 5 },
    ),
    fc.shuffledSubarray(['jsonrpc', 'id', 'result', 'x-more'], { minLength: 3 }),
    fc.constantFrom('', ' ', '\t', ' \r'),
  )
  .map(([id, result, order, gap]) => {
    const values: Record<string, string> = {
      jsonrpc: '"2.0"',
      id: JSON.stringify(id),
      result: JSON.stringify(result),
      'x-more': '{"id":1}',
    };
    const members = order.map((name) => `${gap}"${name}"${gap}:${gap}${values[name]}${gap}`);
    return `${gap}{${members.join(',')}}${gap}`;
  });

describe('readMessage', () => {
  it('cuts out the result that JSON.parse would give', () => {
    fc.assert(
      fc.property(spelled, (text) => {
        const whole = JSON.parse(text) as Record<string, unknown>;
        const message = read(text);
        if (!('result' in whole) || !('jsonrpc' in whole) || !('id' in whole)) return;
        expect(message.kind).toBe('result');
        if (message.kind !== 'result') return;
        expect(message.id).toEqual(whole['id']);
        expect(message.result.value).toEqual(whole['result']);
      }),
      { numRuns: 1_500 },
    );
  });

  it('never throws, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), cuts, (bytes, at) => {
        readMessage(Buffer.from(bytes));
        readMessage(cut(Buffer.from(bytes), at));
      }),
      { numRuns: 2_000 },
    );
  });

  it('reads a message the same in however many pieces it came', () => {
    const odd = fc.constantFrom(
      '{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"Ärger 🎉"}}',
      '{"jsonrpc":"2.0","id":"a","method":"ping","params":{"x":"漢"}}',
      '[{"jsonrpc":"2.0","id":1,"result":{}}]',
      '{"jsonrpc":"2.0","id":1,"result":{"a":',
      '{"jsonrpc":"2.0","id":1}',
      'noise',
      '',
    );
    const damaged = fc.option(fc.tuple(fc.nat(), fc.constantFrom(0xc3, 0x80, 0xff, 0xf0, 0x22)));
    fc.assert(
      fc.property(fc.oneof(spelled, odd), fc.boolean(), damaged, cuts, (text, marked, damage, at) => {
        const bytes = Buffer.from(marked ? `\ufeff${text}` : text);
        if (damage && bytes.length > 0) bytes[damage[0] % bytes.length] = damage[1];
        const whole = readMessage(bytes);
        const pieces = readMessage(cut(bytes, at));
        const plain = ({ ...message }: ReturnType<typeof readMessage>) =>
          message.kind === 'result'
            ? { ...message, result: Buffer.from(message.result.bytes).toString('latin1') }
            : message;
        expect(plain(pieces)).toEqual(plain(whole));
      }),
      { numRuns: 3_000 },
    );
  });

  it.each([
    ['{"jsonrpc":"2.0","id":1,"result":{}}', 'result'],
    ['{"result":{},"jsonrpc":"2.0","id":1}', 'result'],
    ['{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"m"}}', 'error'],
    ['{"jsonrpc":"2.0","id":"a","method":"ping"}', 'request'],
    ['{"jsonrpc":"2.0","method":"notifications/x","params":{}}', 'notification'],
    ['{"jsonrpc":"2.0","id":1}', 'malformed'],
    ['{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":""}}', 'malformed'],
    ['{"jsonrpc":"2.0","id":1,"result":[]}', 'malformed'],
    ['{"jsonrpc":"2.0","id":1,"result":null}', 'malformed'],
    ['{"jsonrpc":"2.0","id":1,"error":{"code":"1","message":""}}', 'malformed'],
    ['{"id":1,"result":{}}', 'malformed'],
    ['[{"jsonrpc":"2.0","id":1,"result":{}}]', 'malformed'],
    ['{"jsonrpc":"2.0","id":1,"result":{"a":', 'malformed'],
    ['{"id":1,"msg":"a structured log line"}', 'noise'],
    ['{"level":"info"}', 'noise'],
    ['{ config: yes }', 'noise'],
    ['"text"', 'noise'],
    ['[]', 'noise'],
    ['Debugger attached.', 'noise'],
    ['{"jsonrpc":"2.0","id":{},"method":"ping"}', 'noise'],
  ])('%s is a %s', (text, kind) => {
    expect(read(text).kind).toBe(kind);
  });

  it('matches ids by value and type', () => {
    expect(read('{"jsonrpc":"2.0","id":"7","result":{}}')).toMatchObject({ id: '7' });
    expect(read('{"jsonrpc":"2.0","id":null,"result":{}}')).toMatchObject({ id: null });
    expect(read('{"jsonrpc":"2.0","id":[7],"result":{}}')).toMatchObject({ id: null });
  });

  it('keeps little alive for a short result in a long line', () => {
    const line = Buffer.from(`{"jsonrpc":"2.0","id":1,"x":"${'y'.repeat(100_000)}","result":{}}`);
    const message = readMessage(line);
    expect(message.kind === 'result' && message.result.bytes.buffer.byteLength).toBeLessThan(100_000);
  });
});

describe('idOfLongLine', () => {
  const long = (text: string) => ({
    head: Buffer.from(text.slice(0, 100)),
    tail: Buffer.from(text.slice(-40)),
    bytes: text.length,
  });
  const filler = 'x'.repeat(1_000);

  it.each([
    [`{"jsonrpc":"2.0","id":12,"result":{"t":"${filler}"}}`, 12],
    [`{"result":{"t":"${filler}"},"jsonrpc":"2.0","id":13}`, 13],
    [`{"result":{"t":"${filler}","o":{"id":14}}}`, undefined],
    [`{"jsonrpc":"2.0","id":15,"method":"m","params":{"t":"${filler}"}}`, undefined],
    [`noise ${filler}`, undefined],
  ])('finds the id at either end', (text, id) => {
    expect(idOfLongLine(long(text))).toBe(id);
  });
});
