import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Payload } from '../core/payload.js';
import { idOfLongLine, readMessage } from './message.js';

const read = (text: string) => readMessage(Buffer.from(text, 'utf8'));

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
        expect(Payload.fromBytes(message.result).value).toEqual(whole['result']);
      }),
      { numRuns: 1_500 },
    );
  });

  it('never throws, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        readMessage(Buffer.from(bytes));
      }),
      { numRuns: 2_000 },
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
    expect(message.kind === 'result' && message.result.buffer.byteLength).toBeLessThan(100_000);
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
