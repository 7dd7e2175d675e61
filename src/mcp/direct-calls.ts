import type { JSONRPCRequest, JSONRPCResponse, RequestId } from '@modelcontextprotocol/server';
import { CallSignal } from '../lib/call-signal.js';
import type { WayBack } from './client-way.js';
import type { Answer } from './connection.js';
import { INTERNAL_ERROR, INVALID_PARAMS } from './protocol-error.js';

/** Answers one request. Rejects with an error that has a JSON-RPC code. */
type Handle = (request: JSONRPCRequest, way: WayBack, signal: AbortSignal) => Promise<Answer>;
type Respond = (message: JSONRPCResponse) => void;

/** What the SDK takes out of `_meta` before a handler sees it begins so. */
const RESERVED = 'io.modelcontextprotocol/';

/**
 * Dispatches the requests of a session as the SDK does, to the same handler and with the same answers. What the SDK makes
 * for each request, signals and schemas included, was three quarters of the front-end's time.
 */
export class DirectCalls {
  readonly #handle: Handle;
  readonly #waiting = new Map<RequestId, CallSignal>();

  constructor(handle: Handle) {
    this.#handle = handle;
  }

  /**
   * @param respond is called once, later, unless the request is cancelled.
   * @returns false when it must go to the SDK, since its id is in use or it is not plain.
   */
  take(request: JSONRPCRequest, respond: Respond, way: WayBack): boolean {
    const { id } = request;
    if (!isPlain(request) || this.#waiting.has(id)) return false;
    const signal = new CallSignal();
    this.#waiting.set(id, signal);
    this.#handle(request, way, signal).then(
      (result) => {
        if (this.#settle(id, signal)) respond({ jsonrpc: '2.0', id, result } as JSONRPCResponse);
      },
      (error: unknown) => {
        if (this.#settle(id, signal)) respond({ jsonrpc: '2.0', id, error: errorOf(error) });
      },
    );
    return true;
  }

  /** @returns whether it was one of ours. */
  cancel(id: RequestId, reason: unknown): boolean {
    const signal = this.#waiting.get(id);
    if (signal === undefined) return false;
    this.#waiting.delete(id);
    signal.abort(reason);
    return true;
  }

  /** Withdraws what runs; nothing more is answered. */
  close(): void {
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const signal of waiting) signal.abort(new Error('Connection closed'));
  }

  #settle(id: RequestId, signal: CallSignal): boolean {
    if (this.#waiting.get(id) !== signal) return false;
    return this.#waiting.delete(id);
  }
}

/** Whether nothing in it is for the SDK: the envelope and the rounds of 2026-07-28, shapes that it refuses. */
function isPlain(request: JSONRPCRequest): boolean {
  const { params } = request;
  let members = 0;
  for (const _ in request) members += 1;
  if (members > 4) return false;
  if (params === undefined) return true;
  if (params['inputResponses'] !== undefined || params['requestState'] !== undefined) return false;
  const { _meta } = params;
  if (_meta === undefined) return true;
  if (typeof _meta !== 'object' || _meta === null || Array.isArray(_meta)) return false;
  const token = _meta['progressToken'];
  if (token !== undefined && typeof token !== 'string' && !Number.isSafeInteger(token)) return false;
  for (const key in _meta) if (key.startsWith(RESERVED)) return false;
  return true;
}

/** As the SDK shows what a handler threw; -32002 became -32602 with the later revisions. */
function errorOf(error: unknown): { code: number; message: string; data?: unknown } {
  const { code, message, data } = (error ?? {}) as { code?: unknown; message?: unknown; data?: unknown };
  const shown = Number.isSafeInteger(code) ? (code as number) : INTERNAL_ERROR;
  return {
    code: shown === -32002 ? INVALID_PARAMS : shown,
    message: typeof message === 'string' ? message : 'Internal error',
    ...(data === undefined ? {} : { data }),
  };
}
