import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { isJsonContentType } from '@modelcontextprotocol/server';
import { parseError } from '../mcp/inbound.js';
import { refusal, rpcResponse } from './answers.js';

export type Body =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly refusal: Response };

/**
 * Reads a POST body as JSON: never more than `maxBytes` of it, whatever `Content-Length` says. How long it may take is
 * for the server to say (`requestTimeout`). Never rejects.
 */
export async function readJson(incoming: IncomingMessage, maxBytes: number): Promise<Body> {
  const { headers } = incoming;
  const type = headers['content-type'] ?? null;
  if (type !== 'application/json' && !isJsonContentType(type)) {
    return refuse(refusal(415, 'Content-Type must be application/json'));
  }
  // A few bytes of gzip can be gigabytes of JSON, and no MCP client compresses.
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity')
    return refuse(refusal(415, 'Content-Encoding is not supported'));
  const bytes = bytesAtHand(incoming, maxBytes) ?? (await readBytes(incoming, maxBytes));
  if (bytes === 'too large') {
    return refuse(refusal(413, `The body is over ${maxBytes} bytes`, { headers: { Connection: 'close' } }));
  }
  // Nobody is there to read it.
  if (bytes === 'gone') return refuse(refusal(400, 'The request ended before its body'));
  if (!isUtf8(bytes)) return refuse(rpcResponse(400, parseError()));
  try {
    return { ok: true, value: JSON.parse(bytes.toString('utf8')) };
  } catch {
    return refuse(rpcResponse(400, parseError()));
  }
}

/**
 * A body that came with its headers, as most do: without the listeners and turns that waiting for one takes. Node tells
 * of its bytes before it says that they were all, so they are counted; of a `Content-Length` its parser lets no other number by.
 */
function bytesAtHand(incoming: IncomingMessage, maxBytes: number): Buffer | undefined {
  const { readableLength } = incoming;
  if (incoming.destroyed || readableLength === 0 || readableLength > maxBytes) return undefined;
  if (!incoming.complete && String(readableLength) !== incoming.headers['content-length']) return undefined;
  const bytes = incoming.read() as Buffer | null;
  // The end is still to be read: Node keeps the request with its connection until then.
  incoming.resume();
  return bytes ?? undefined;
}

function readBytes(incoming: IncomingMessage, maxBytes: number): Promise<Buffer | 'too large' | 'gone'> {
  if (Number(incoming.headers['content-length'] ?? 0) > maxBytes) return Promise.resolve('too large');
  if (incoming.destroyed) return Promise.resolve('gone');
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let held = 0;
    incoming.on('data', (chunk: Buffer) => {
      held += chunk.byteLength;
      if (held <= maxBytes) {
        chunks.push(chunk);
        return;
      }
      chunks.length = 0;
      incoming.removeAllListeners('data').pause();
      resolve('too large');
    });
    incoming.on('end', () => {
      const [only] = chunks;
      resolve(chunks.length === 1 && only ? only : Buffer.concat(chunks, held));
    });
    // Without a listener for `error` none is emitted, and after `end` this says nothing new.
    incoming.on('close', () => resolve('gone'));
  });
}

const refuse = (response: Response): Body => ({ ok: false, refusal: response });
