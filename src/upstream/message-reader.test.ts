import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cut } from '../../test/support/cut.js';
import { readMessage } from './message.js';
import { MessageReader } from './message-reader.js';

const plain = (incoming: ReturnType<typeof readMessage>) =>
  'result' in incoming ? { ...incoming, result: Buffer.from(incoming.result.bytes).toString() } : incoming;

/** Reads it while its pieces come, as a channel has it. */
function grown(pieces: readonly Buffer[], reader = new MessageReader()) {
  const list: Buffer[] = [];
  for (const piece of pieces) {
    list.push(piece);
    reader.growing(list);
  }
  return plain(reader.read(list));
}

function expectSame(text: string, at: readonly number[]): void {
  const pieces = cut(Buffer.from(text), at);
  expect(grown(pieces), text).toEqual(plain(readMessage(pieces)));
}

const cuts = fc.array(fc.nat(), { maxLength: 12 });
const answer = fc
  .tuple(
    fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: fc.constantFrom('\\', '"', '漢', 'a') })),
    fc.json(),
  )
  .map(([text, other]) => [
    `{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":${JSON.stringify(text)}}]}}`,
    ` {"result":{"text":${JSON.stringify(text)},"other":${other}},"id":"${'x'.repeat(9)}","jsonrpc":"2.0"} `,
    `{"jsonrpc":"2.0","id":7,"error":{"code":1,"message":${JSON.stringify(text)},"data":${other}}}`,
  ])
  .chain((texts) => fc.constantFrom(...texts));

describe('MessageReader', () => {
  it('reads what comes in pieces as it would read the whole', () => {
    fc.assert(fc.property(answer, cuts, expectSame), { numRuns: 1_000 });
  });

  it('whatever is wrong with it', () => {
    const spoilt = fc
      .tuple(answer, fc.nat(), fc.constantFrom('', '"', '}', '\\', '\u0001', '}}', ' x'))
      .map(([text, place, odd]) => {
        const at = place % (text.length + 1);
        return text.slice(0, at) + odd + text.slice(at + (odd === '' ? 1 : 0));
      });
    fc.assert(fc.property(spoilt, cuts, expectSame), { numRuns: 1_000 });
  });

  it('wherever one is cut', () => {
    const text = '{"jsonrpc":"2.0","id":7,"result":{"a":"\\u00e9\\\\","b":[1.5e3,true],"c":"é"}}';
    for (let first = 0; first <= text.length; first += 1) {
      for (let second = first; second <= text.length; second += 1) expectSame(text, [first, second]);
    }
  });

  it('takes another message for another, and forgets one that is not read', () => {
    const reader = new MessageReader();
    const text = (id: number) => `{"jsonrpc":"2.0","id":${id},"result":{"a":"b"}}`;
    reader.growing([Buffer.from('{"jsonrpc":"2.0","id":1,"result":{"a":"')]);
    expect(plain(reader.read(Buffer.from(text(2))))).toEqual(plain(readMessage(Buffer.from(text(2)))));
    reader.growing([Buffer.from('{"jsonrpc":"2.0","id":3,"result":{"a":"')]);
    reader.forget();
    const pieces = cut(Buffer.from(text(4)), [20, 30]);
    expect(grown(pieces, reader)).toEqual(plain(readMessage(pieces)));
  });
});
