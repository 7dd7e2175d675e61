import { Payload } from '../core/payload.js';

const SPACE = 0x20;

/**
 * A JSON-RPC message as one line of bytes without its end, in pieces to be written one after the other. A result that
 * is a payload goes out as the bytes that came in, framed by the id of this client.
 */
export function messageBytes(message: object): readonly Uint8Array[] {
  const result: unknown = 'result' in message ? message.result : undefined;
  if (!(result instanceof Payload)) return [Buffer.from(JSON.stringify(message), 'utf8')];
  const id = 'id' in message ? message.id : null;
  return [
    Buffer.from(`{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":`, 'utf8'),
    inOneLine(result.bytes),
    Buffer.from('}', 'utf8'),
  ];
}

/** In valid JSON a raw line end stands only between tokens, where a space says the same. */
function inOneLine(json: Uint8Array): Uint8Array {
  if (!json.includes(0x0a) && !json.includes(0x0d)) return json;
  return json.map((byte) => (byte === 0x0a || byte === 0x0d ? SPACE : byte));
}
