import { describe, expect, it } from 'vitest';
import { Payload } from '../core/payload.js';
import { messagePieces } from './outbound.js';

const joined = (message: object) =>
  Buffer.concat(messagePieces(message).map((piece) => Buffer.from(piece as string))).toString('utf8');

describe('messagePieces', () => {
  it('frames the bytes of a payload without parsing them', () => {
    const payload = Payload.fromBytes(Buffer.from('{"content":[],"big":12345678901234567890}'));
    expect(joined({ result: payload, jsonrpc: '2.0', id: 'a"b' })).toBe(
      '{"jsonrpc":"2.0","id":"a\\"b","result":{"content":[],"big":12345678901234567890}}',
    );
  });

  it('passes a payload on in the pieces that it came in', () => {
    const pieces = ['{"content":', '[]', '}'].map((piece) => Buffer.from(piece));
    const payload = Payload.fromPieces(pieces);
    expect(messagePieces({ result: payload, jsonrpc: '2.0', id: 1 }).slice(1, -1)).toEqual(pieces);
    expect(payload.value).toEqual({ content: [] });
    expect(payload.byteLength).toBe(14);
    expect(joined({ result: payload, jsonrpc: '2.0', id: 1 })).toBe(
      '{"jsonrpc":"2.0","id":1,"result":{"content":[]}}',
    );
  });

  it('keeps a message one line, however the bytes were printed', () => {
    const payload = Payload.fromBytes(Buffer.from('{\r\n  "content": [],\n  "a": "x\\ny\u2028"\n}'));
    const line = joined({ result: payload, jsonrpc: '2.0', id: 1 });
    expect(line).not.toMatch(/[\r\n]/);
    expect(JSON.parse(line).result).toEqual({ content: [], a: 'x\ny\u2028' });
  });

  it('prints everything else as JSON', () => {
    expect(joined({ jsonrpc: '2.0', method: 'm' })).toBe('{"jsonrpc":"2.0","method":"m"}');
  });
});
