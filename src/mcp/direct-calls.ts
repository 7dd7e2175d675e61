import type {
  JSONRPCRequest,
  JSONRPCResponse,
  RequestId,
  Result,
  Server,
  ServerContext,
} from '@modelcontextprotocol/server';
import type { Payload } from '../core/payload.js';
import { CallSignal } from '../lib/call-signal.js';

/** As much of the SDK's context of a request as the ways back to the client need. */
export type ClientWay = Pick<ServerContext['mcpReq'], 'send' | 'notify' | 'signal'>;

/** One `tools/call` as its handler gets it, whoever dispatched it. */
export interface DirectCall {
  readonly request: JSONRPCRequest;
  readonly way: ClientWay;
}

/** How a handler speaks to the client of a request. */
export type WayBack = Omit<ClientWay, 'signal'>;

/**
 * The way to a client on the stream of its session, of no request in particular.
 * @param related the request on whose stream it is told instead, where each has its own.
 */
export function wayBack(server: Server, related?: RequestId): WayBack {
  if (related === undefined) {
    return {
      send: ((...given: Parameters<Server['request']>) => server.request(...given)) as ClientWay['send'],
      notify: (notification) => server.notification(notification),
    };
  }
  const to = { relatedRequestId: related };
  return {
    send: ((...[request, schema, options]: Parameters<Server['request']>) =>
      server.request(request, schema, { ...options, ...to })) as ClientWay['send'],
    notify: (notification) => server.notification(notification, to),
  };
}

type Handle = (call: DirectCall) => Promise<Result | Payload>;
type Answer = (message: JSONRPCResponse) => void;

const INTERNAL_ERROR = -32603;
const INVALID_PARAMS = -32602;
/** What the SDK takes out of `_meta` before a handler sees it begins so. */
const RESERVED = 'io.modelcontextprotocol/';

/**
 * Dispatches the calls of an initialised session as the SDK does, to the same handler and with the same answers. What
 * the SDK makes for each request, signals and schemas included, was three quarters of the front-end's time. It takes only what needs nothing else of the SDK; whatever looks unusual goes there.
 */
export class DirectCalls {
  readonly #handle: Handle;
  readonly #back: WayBack;
  readonly #waiting = new Map<RequestId, CallSignal>();

  constructor(server: Server, handle: Handle) {
    this.#handle = handle;
    this.#back = wayBack(server);
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * @param answer is called once, later, unless the request is cancelled.
   * @param back default: the stream of the session.
   * @returns false when it must go to the SDK.
   */
  take(request: JSONRPCRequest, answer: Answer, back: WayBack = this.#back): boolean {
    const { id } = request;
    if (!isPlainCall(request) || this.#waiting.has(id)) return false;
    const signal = new CallSignal();
    this.#waiting.set(id, signal);
    this.#handle({ request, way: { signal, send: back.send, notify: back.notify } }).then(
      (result) => {
        if (this.#settle(id, signal)) answer({ jsonrpc: '2.0', id, result: result as Result });
      },
      (error: unknown) => {
        if (this.#settle(id, signal)) answer({ jsonrpc: '2.0', id, error: errorOf(error) });
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
function isPlainCall(request: JSONRPCRequest): boolean {
  const { method, params } = request;
  if (method !== 'tools/call' || params === undefined) return false;
  let members = 0;
  for (const _ in request) members += 1;
  if (members > 4) return false;
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
