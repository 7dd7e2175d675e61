import { isUtf8 } from 'node:buffer';
import { isJsonContentType } from '@modelcontextprotocol/server';
import { parseError } from '../mcp/inbound.js';
import { refusal, rpcResponse } from './answers.js';

export type Body =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly refusal: Response };

/** Reads a POST body as JSON: never more than `maxBytes` of it, whatever `Content-Length` says. */
export async function readJson(request: Request, maxBytes: number): Promise<Body> {
  if (!isJsonContentType(request.headers.get('content-type'))) {
    return refuse(refusal(415, 'Content-Type must be application/json'));
  }
  // A few bytes of gzip can be gigabytes of JSON, and no MCP client compresses.
  const encoding = request.headers.get('content-encoding') ?? 'identity';
  if (encoding.toLowerCase() !== 'identity') return refuse(refusal(415, 'Content-Encoding is not supported'));
  const bytes = await readBytes(request, maxBytes);
  if (bytes === undefined) {
    return refuse(refusal(413, `The body is over ${maxBytes} bytes`, { headers: { Connection: 'close' } }));
  }
  if (!isUtf8(bytes)) return refuse(rpcResponse(400, parseError()));
  try {
    return { ok: true, value: JSON.parse(bytes.toString('utf8')) };
  } catch {
    return refuse(rpcResponse(400, parseError()));
  }
}

async function readBytes(request: Request, maxBytes: number): Promise<Buffer | undefined> {
  if (Number(request.headers.get('content-length') ?? 0) > maxBytes) return undefined;
  const chunks: Uint8Array[] = [];
  let held = 0;
  for await (const chunk of request.body ?? []) {
    held += chunk.byteLength;
    if (held > maxBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, held);
}

const refuse = (response: Response): Body => ({ ok: false, refusal: response });
