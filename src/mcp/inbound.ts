import type {
  JSONRPCErrorResponse,
  JSONRPCMessage,
  JSONRPCRequest,
  RequestId,
} from '@modelcontextprotocol/server';
import { INVALID_REQUEST, PARSE_ERROR } from './protocol-error.js';

/** An answer to what is no request with a usable id: JSON-RPC wants `id: null`, which the SDK's type leaves out. */
export type ErrorAnswer = Omit<JSONRPCErrorResponse, 'id'> & { readonly id: RequestId | null };

export const errorAnswer = (id: RequestId | null, code: number, message: string): ErrorAnswer => ({
  jsonrpc: '2.0',
  id,
  error: { code, message },
});

export const parseError = () => errorAnswer(null, PARSE_ERROR, 'Parse error: not JSON in UTF-8');

export type Inbound =
  | { readonly ok: true; readonly message: JSONRPCMessage }
  | { readonly ok: false; readonly answer: ErrorAnswer };

/**
 * Whether a value is one JSON-RPC message as MCP has them: ids are strings or integers, never null. The SDK drops what
 * is not; a client that waits for an answer would wait for ever.
 */
export function readMessage(value: unknown): Inbound {
  if (!isRecord(value) || value['jsonrpc'] !== '2.0') return invalid(null, 'not a JSON-RPC 2.0 message');
  const { id, method, params } = value;
  if (id !== undefined && !isRequestId(id)) return invalid(null, 'the id is neither a string nor an integer');
  if (method === undefined && id !== undefined && ('result' in value || 'error' in value)) {
    return { ok: true, message: value as unknown as JSONRPCMessage };
  }
  if (typeof method !== 'string') return invalid(id ?? null, 'the method is not a string');
  if (params !== undefined && !isRecord(params)) return invalid(id ?? null, 'params is not an object');
  return { ok: true, message: value as unknown as JSONRPCMessage };
}

export const isRequest = (message: JSONRPCMessage): message is JSONRPCRequest =>
  'method' in message && 'id' in message;

/** The id of the request that a `notifications/cancelled` takes back. */
export function cancelledId(message: JSONRPCMessage): RequestId | undefined {
  if (!('method' in message) || message.method !== 'notifications/cancelled') return undefined;
  const id = message.params?.['requestId'];
  return isRequestId(id) ? id : undefined;
}

/** `1` and `"1"` are different ids. */
export const idKey = (id: RequestId): string => (typeof id === 'number' ? String(id) : JSON.stringify(id));

const invalid = (id: RequestId | null, why: string): Inbound => ({
  ok: false,
  answer: errorAnswer(id, INVALID_REQUEST, `Invalid request: ${why}`),
});

const isRequestId = (id: unknown): id is RequestId => typeof id === 'string' || Number.isSafeInteger(id);

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
