import type {
  JSONRPCNotification,
  JSONRPCRequest,
  JSONRPCResponse,
  RequestId,
} from '@modelcontextprotocol/server';
import { LOG_LEVELS } from '../core/client-link.js';
import type { Params, WayBack } from './client-way.js';
import type { Answer, Connection, Speaker } from './connection.js';
import { DirectCalls } from './direct-calls.js';
import { METHOD_NOT_FOUND, ProtocolError } from './protocol-error.js';
import { Questions } from './questions.js';

const NOTHING: Promise<Answer> = Promise.resolve({});

/** What a client said of itself in `initialize`. */
export interface Introduced {
  readonly capabilities: Params;
  readonly name: unknown;
}

/**
 * A session of the revisions with `initialize`, without the SDK, which costs a front-end 60 ms and 10 MiB: most clients never
 * say anything that needs it. What is unusual goes to the SDK, and a test holds that a client cannot tell the two apart.
 */
export class StdioSession implements Speaker {
  readonly #connection: Connection;
  readonly #client: Introduced;
  readonly #calls: DirectCalls;
  readonly #questions: Questions;
  readonly #send: (message: object) => void;
  readonly #way: WayBack;

  /** @param send writes a message, without waiting. */
  constructor(connection: Connection, client: Introduced, send: (message: object) => void) {
    this.#connection = connection;
    this.#client = client;
    this.#send = send;
    this.#questions = new Questions(send);
    this.#calls = new DirectCalls((request, way, signal) => this.#handle(request, way, signal));
    this.#way = {
      ask: (method, params, signal) => this.#questions.ask(method, params, signal),
      tell: (method, params) => this.tell(method, params),
    };
  }

  /**
   * @param respond is called once, unless the request is cancelled.
   * @returns false when it must go to the SDK.
   */
  take(request: JSONRPCRequest, respond: (message: JSONRPCResponse) => void): boolean {
    return !isForSdk(request) && this.#calls.take(request, respond, this.#way);
  }

  /** @returns false when it must go to the SDK too, if that is there: the client was not asked by us. */
  answered(message: JSONRPCResponse): boolean {
    return this.#questions.answer(message);
  }

  /** The client is ready: from now on it is told news. Idempotent; a request says so too. */
  ready(): void {
    try {
      this.#arrive();
    } catch {
      // It is in the log, and its next request is refused.
    }
  }

  /** What it does not know is of no concern to a server. */
  notified({ method }: JSONRPCNotification): void {
    if (method === 'notifications/initialized') this.ready();
    else if (method === 'notifications/roots/list_changed')
      this.#connection.rootsChanged(this.#way, this.#client.capabilities);
  }

  /** @returns whether the request was one of ours. */
  cancel(id: RequestId, reason: unknown): boolean {
    return this.#calls.cancel(id, reason);
  }

  tell(method: string, params?: Params): void {
    if (this.#mayHear(method))
      this.#send({ jsonrpc: '2.0', method, ...(params === undefined ? {} : { params }) });
  }

  async close(): Promise<void> {
    this.#connection.leave(this);
    this.#calls.close();
    this.#questions.close();
  }

  #arrive(): void {
    this.#connection.enter(this, 'legacy');
    this.#connection.arrive(this.#client.name);
  }

  #handle(request: JSONRPCRequest, way: WayBack, signal: AbortSignal): Promise<Answer> {
    const { method, params } = request;
    if (method === 'ping') return NOTHING;
    if (method === 'logging/setLevel') {
      this.#connection.logLevel = String(params?.['level']);
      return NOTHING;
    }
    try {
      this.#arrive();
    } catch (error) {
      return Promise.reject(error);
    }
    if (this.#connection.serves(method))
      return this.#connection.call(request, way, this.#client.capabilities, signal);
    return Promise.reject(new ProtocolError(METHOD_NOT_FOUND, 'Method not found'));
  }

  /** What we did not say that we have, and what it did not say that it takes, it is not told of. */
  #mayHear(method: string): boolean {
    if (method.startsWith('notifications/resources/') || method.startsWith('notifications/prompts/'))
      return this.#connection.facts.native;
    if (method !== 'notifications/elicitation/complete') return true;
    const { elicitation } = this.#client.capabilities as { elicitation?: { url?: unknown } };
    return Boolean(elicitation?.url);
  }
}

/** What the SDK has an answer to that is not ours: a second `initialize`, a level that there is not. */
function isForSdk({ method, params }: JSONRPCRequest): boolean {
  if (method === 'logging/setLevel') return !LOG_LEVELS.includes(params?.['level'] as string);
  return method === 'initialize';
}
