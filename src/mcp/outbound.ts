import { Payload } from '../core/payload.js';

const SPACE = 0x20;

/** Text, or bytes of UTF-8. */
export type Piece = string | Uint8Array;

/**
 * A JSON-RPC message as one line without its end, in pieces to be written one after the other. A result that is a
 * payload goes out as the bytes that came in, framed by the id of this client.
 */
export function messagePieces(message: object): readonly Piece[] {
  const result: unknown = 'result' in message ? message.result : undefined;
  if (!(result instanceof Payload)) return [JSON.stringify(message)];
  const id = 'id' in message ? message.id : null;
  return [`{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":`, ...result.pieces.map(inOneLine), '}'];
}

/** In valid JSON a raw line end stands only between tokens, where a space says the same. */
function inOneLine(json: Uint8Array): Uint8Array {
  if (!json.includes(0x0a) && !json.includes(0x0d)) return json;
  return json.map((byte) => (byte === 0x0a || byte === 0x0d ? SPACE : byte));
}
