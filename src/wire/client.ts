import type { Caller, OperationContext } from '../core/caller.js';
import { RuntimeError } from '../core/errors.js';
import type { RuntimeEvent } from '../core/events.js';
import { untilAborted } from '../lib/abort.js';
import { Emitter } from '../lib/emitter.js';
import { type OperationName, operationNames, type Runtime, type RuntimePort } from '../operations/table.js';
import type { ChannelEnd } from './channel.js';
import { ClientSession } from './client-session.js';
import type { ChannelLimits } from './limits.js';
import type { LinkClient } from './link.js';
import { patience } from './patience.js';

export interface ConnectOptions {
  readonly link: LinkClient;
  /** Gives the way to the next engine, which it may start, when this one is gone and a call comes. */
  readonly reconnect?: (() => Promise<LinkClient>) | undefined;
  /** Of the package. */
  readonly version: string;
  /** What this front-end calls itself, for people. */
  readonly name?: string | undefined;
  readonly pid?: number | undefined;
  /** Ms a call may take. */
  readonly patience?: typeof patience | undefined;
  /** Ms for an engine to answer the hello. Default 5,000. */
  readonly timeoutMs?: number | undefined;
  readonly limits?: Partial<ChannelLimits> | undefined;
  /** Called when the connection is over, with the reason; later calls reconnect. */
  readonly onLost?: ((end: ChannelEnd) => void) | undefined;
  /** Ms of a monotonic clock. */
  readonly now?: (() => number) | undefined;
}

/** What the engine said of itself when it was joined. */
export interface EngineFacts {
  readonly version: string;
  readonly protocol: number;
  readonly pid: number;
  readonly busy: boolean;
  readonly draining: boolean;
  readonly connected: boolean;
}

export type RemoteRuntime = RuntimePort & {
  /** Withdraws what waits and leaves. Idempotent; calls then reject with ENGINE_UNAVAILABLE. */
  close(): Promise<void>;
  /** Asks an engine that nobody else needs to make room for a newer one. @returns whether it does. */
  retire(): Promise<boolean>;
  /** Of the engine now or last connected. */
  readonly engine: EngineFacts;
};

/**
 * A runtime at the other end of a link. A lost engine rejects what waits at once, with OUTCOME_UNKNOWN where the call
 * may have run and ENGINE_UNAVAILABLE where it did not; the next call finds the next engine.
 * @throws RuntimeError ENGINE_UNAVAILABLE when nobody answers, or in another version of the protocol.
 */
export async function connectRuntime(options: ConnectOptions): Promise<RemoteRuntime> {
  const remote = new Remote(options);
  await remote.open(options.link);
  const calls = Object.fromEntries(
    operationNames.map((op) => [
      op,
      (input: unknown, context: OperationContext) => remote.call(op, input, context),
    ]),
  ) as unknown as Runtime;
  return {
    ...calls,
    attach: (caller) => remote.attach(caller),
    subscribe: (listener) => remote.subscribe(listener),
    close: async () => remote.close(),
    retire: () => remote.retire(),
    get engine() {
      return remote.facts();
    },
  };
}

class Remote {
  readonly #options: ConnectOptions;
  readonly #callers = new Map<string, { caller: Caller; times: number }>();
  readonly #events = new Emitter<RuntimeEvent>();
  readonly #patience: typeof patience;
  #listeners = 0;
  #session: ClientSession | undefined;
  #opening: Promise<ClientSession> | undefined;
  #closed = false;

  constructor(options: ConnectOptions) {
    this.#options = options;
    this.#patience = options.patience ?? patience;
  }

  async open(link: LinkClient): Promise<ClientSession> {
    const { version, name, pid, limits } = this.#options;
    const session = await ClientSession.open({
      link,
      version,
      name,
      pid,
      limits,
      now: this.#options.now ?? (() => performance.now()),
      timeoutMs: this.#options.timeoutMs ?? 5_000,
      onEvent: (event) => this.#events.emit(event),
      onEnd: (end) => {
        if (this.#session !== undefined && !this.#closed) this.#options.onLost?.(end);
      },
    });
    if (this.#closed) {
      session.close();
      throw closedError();
    }
    for (const { caller } of this.#callers.values()) session.attach(caller);
    if (this.#listeners > 0) session.subscribe(true);
    this.#session = session;
    return session;
  }

  call(op: OperationName, input: unknown, context: OperationContext): Promise<never> {
    const session = this.#session;
    const waitMs = this.#patience(op, input, context.client);
    if (session !== undefined && !session.ended) return session.call(op, input, context, waitMs);
    return this.#callLater(op, input, context, waitMs);
  }

  async #callLater(
    op: OperationName,
    input: unknown,
    context: OperationContext,
    waitMs: number,
  ): Promise<never> {
    const began = performance.now();
    const session = await untilAborted(this.#reopen(), context.signal).catch((error: unknown) => {
      if (error instanceof RuntimeError) throw error;
      if (context.signal.aborted) throw new RuntimeError('CANCELLED', 'The caller withdrew the request.');
      throw new RuntimeError('ENGINE_UNAVAILABLE', `No engine can be reached: ${String(error)}.`, {
        cause: error,
      });
    });
    const leftMs = waitMs - (performance.now() - began);
    if (leftMs > 0) return session.call(op, input, context, leftMs);
    throw new RuntimeError('TIMEOUT', `No engine was found within ${waitMs} ms; ${op} was not executed.`, {
      data: { executed: false },
    });
  }

  attach(caller: Caller): () => void {
    const { clientId } = caller;
    const known = this.#callers.get(clientId);
    this.#callers.set(clientId, { caller, times: (known?.times ?? 0) + 1 });
    if (known === undefined) this.#session?.attach(caller);
    let attached = true;
    return () => {
      if (!attached) return;
      attached = false;
      const now = this.#callers.get(clientId);
      if (now === undefined || now.times > 1) {
        if (now !== undefined) now.times -= 1;
        return;
      }
      this.#callers.delete(clientId);
      this.#session?.detach(clientId);
    };
  }

  subscribe(listener: (event: RuntimeEvent) => void): () => void {
    const unsubscribe = this.#events.subscribe(listener);
    this.#listeners += 1;
    if (this.#listeners === 1) this.#session?.subscribe(true);
    let subscribed = true;
    return () => {
      if (!subscribed) return;
      subscribed = false;
      unsubscribe();
      this.#listeners -= 1;
      if (this.#listeners === 0) this.#session?.subscribe(false);
    };
  }

  close(): void {
    this.#closed = true;
    this.#session?.close();
  }

  retire(): Promise<boolean> {
    const session = this.#session;
    return session === undefined || session.ended ? Promise.resolve(true) : session.retire();
  }

  facts(): EngineFacts {
    const session = this.#session as ClientSession;
    const { version, protocol, pid, busy, draining } = session.welcome;
    return { version, protocol, pid, busy, draining, connected: !session.ended };
  }

  /** Many calls, one new connection. */
  #reopen(): Promise<ClientSession> {
    if (this.#closed) return Promise.reject(closedError());
    const { reconnect } = this.#options;
    if (reconnect === undefined)
      return Promise.reject(new RuntimeError('ENGINE_UNAVAILABLE', 'The connection to the engine is lost.'));
    this.#opening ??= reconnect()
      .then((link) => this.open(link))
      .finally(() => {
        this.#opening = undefined;
      });
    return this.#opening;
  }
}

const closedError = () => new RuntimeError('ENGINE_UNAVAILABLE', 'The connection to the engine was closed.');
