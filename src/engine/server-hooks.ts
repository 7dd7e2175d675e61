import type { KnownServer, ServerState } from '../core/server.js';
import type { ClosePace, UpstreamSession } from '../core/upstream.js';

/** What a server needs from whoever owns it. */
export interface ManagedServerHooks {
  /** Starts the server; must honour the signal. */
  open(definition: KnownServer, signal: AbortSignal): Promise<UpstreamSession>;
  onState(state: ServerState): void;
  onReady(session: UpstreamSession): void;
  /** Called before a start: makes room, or refuses by throwing. */
  admit(): Promise<void>;
}

/** The right to use a running server until it is disposed. */
export class Lease implements Disposable {
  readonly session: UpstreamSession;
  readonly #place: Disposable;

  constructor(session: UpstreamSession, place: Disposable) {
    this.session = session;
    this.#place = place;
  }

  [Symbol.dispose](): void {
    this.#place[Symbol.dispose]();
  }
}

export interface StopOptions {
  /** How long running calls may go on, ms. */
  readonly drainMs?: number | undefined;
  /** It is not to be started again: its definition is gone. */
  readonly forGood?: boolean | undefined;
  readonly pace?: ClosePace | undefined;
}
