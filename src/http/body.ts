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
  if (!isJsonContentType(headers['content-type'] ?? null)) {
    return refuse(refusal(415, 'Content-Type must be application/json'));
  }
  // A few bytes of gzip can be gigabytes of JSON, and no MCP client compresses.
  const encoding = headers['content-encoding'] ?? 'identity';
  if (encoding.toLowerCase() !== 'identity') return refuse(refusal(415, 'Content-Encoding is not supported'));
  const bytes = await readBytes(incoming, maxBytes);
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

function readBytes(incoming: IncomingMessage, maxBytes: number): Promise<Buffer | 'too large' | 'gone'> {
  if (Number(incoming.headers['content-length'] ?? 0) > maxBytes) return Promise.resolve('too large');
  if (incoming.destroyed) return Promise.resolve('gone');
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let held = 0;
    const settle = (outcome: Buffer | 'too large' | 'gone') => {
      incoming.off('data', onData).off('end', onEnd).off('close', onClose);
      resolve(outcome);
    };
    const onData = (chunk: Buffer) => {
      held += chunk.byteLength;
      chunks.push(chunk);
      if (held <= maxBytes) return;
      incoming.pause();
      settle('too large');
    };
    const onEnd = () => {
      const [only] = chunks;
      settle(chunks.length === 1 && only ? only : Buffer.concat(chunks, held));
    };
    const onClose = () => settle('gone');
    // Without a listener it would be thrown; `close` follows.
    incoming.on('error', () => {});
    incoming.on('data', onData).on('end', onEnd).on('close', onClose);
  });
}

const refuse = (response: Response): Body => ({ ok: false, refusal: response });
