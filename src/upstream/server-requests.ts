import { oneLine } from '../lib/printable.js';
import { type Incoming, MAX_DEPTH } from './message.js';
import type { Owner } from './owner.js';

export type ServerRequest = Extract<Incoming, { kind: 'request' }>;

/** Answers a request of a server; what it throws as `{code, message, data?}` becomes a JSON-RPC error. */
export type RequestHandler = (method: string, params: unknown, owner: Owner) => Promise<unknown>;

/** The response to a request of a server, as JSON. Never rejects: silence would hang the server's own call. */
export async function answerRequest(
  request: ServerRequest,
  handler: RequestHandler | undefined,
  owner: Owner,
): Promise<string> {
  const respond = (answer: object) => JSON.stringify({ jsonrpc: '2.0', id: request.id, ...answer });
  try {
    return respond(await answerTo(request, handler, owner));
  } catch {
    return respond({ error: { code: -32603, message: 'The answer cannot be written as JSON' } });
  }
}

async function answerTo(
  { method, params, tooDeep }: ServerRequest,
  handler: RequestHandler | undefined,
  owner: Owner,
): Promise<object> {
  if (tooDeep) return { error: { code: -32600, message: `Nested deeper than ${MAX_DEPTH} levels` } };
  if (method === 'ping') return { result: {} };
  if (!handler) return { error: { code: -32601, message: `Method not found: ${oneLine(method, 100)}` } };
  try {
    return { result: (await handler(method, params, owner)) ?? {} };
  } catch (error) {
    const { code, message, data } = error as { code?: unknown; message?: unknown; data?: unknown };
    const text = typeof message === 'string' ? message : 'Internal error';
    if (typeof code !== 'number' || !Number.isInteger(code))
      return { error: { code: -32603, message: text } };
    return { error: { code, message: text, ...(data === undefined ? {} : { data }) } };
  }
}
