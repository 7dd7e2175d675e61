import { RuntimeError } from '../core/errors.js';
import type { Payload } from '../core/payload.js';
import type { RequestOptions } from '../core/upstream.js';
import type { Delivery } from './channel.js';
import { ProgressGate } from './progress-gate.js';

export interface PendingFacts {
  readonly id: number;
  readonly server: string;
  readonly method: string;
  /** Deepest nesting the asker can stand; lists look at each tool by themselves. */
  readonly maxDepth: number;
  readonly options: RequestOptions;
}

/** Where requests wait. */
export interface WaitingRoom {
  /** Called once for each, before its promise settles; says how far the request got. */
  leave(pending: PendingRequest, outcome: Outcome): Delivery;
  /** Calls `look` of all who wait then, or before; ms of performance.now(). */
  wake(at: number): void;
}

/** The client's answers may take so long in all; after that the time of the request runs again. */
const MAX_PAUSED_MS = 3_600_000;

/** abandoned: the asker left or the time ran out, and the server is still at it. */
export type Outcome = 'answered' | 'abandoned' | 'failed';

/** One request that waits for its answer. The first cause decides how it ends; every later one is ignored. */
export class PendingRequest {
  readonly facts: PendingFacts;
  readonly answer: Promise<Payload>;
  readonly progress: ProgressGate | undefined;
  readonly #room: WaitingRoom;
  #settled = false;
  readonly #begun = performance.now();
  #extendedUntil = 0;
  /** Questions to the client that are open, since when there are any, and how long there were before. */
  #questions = 0;
  #askedAt = 0;
  #pausedMs = 0;
  #lastProgress = Number.NEGATIVE_INFINITY;
  #resolve: (payload: Payload) => void = () => {};
  #reject: (error: RuntimeError) => void = () => {};

  constructor(facts: PendingFacts, room: WaitingRoom) {
    this.facts = facts;
    this.#room = room;
    const { signal, timeoutMs, onProgress } = facts.options;
    this.answer = new Promise<Payload>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.progress = onProgress && new ProgressGate(onProgress);
    room.wake(this.#begun + timeoutMs);
    signal.addEventListener('abort', this, { once: true });
  }

  /** Its caller withdrew it. */
  handleEvent(): void {
    const { server, method, options } = this.facts;
    this.#abandon(() => cancelled(server, method, options.signal.reason));
  }

  /** Gives up when its time is over. @returns when to look again, ms of performance.now(). */
  look(): number {
    if (this.#settled) return Number.POSITIVE_INFINITY;
    const left = this.#left() + this.#spare();
    // Timers ring up to a millisecond early.
    if (left > 1) return performance.now() + left;
    this.#abandon((delivery) => this.#timeout(delivery));
    return Number.POSITIVE_INFINITY;
  }

  /** A progress report for it came; not yet trusted. */
  report(params: Readonly<Record<string, unknown>>): void {
    const { progress } = params;
    const { timeoutMs, maxTimeoutMs } = this.facts.options;
    // Progress must grow: a server that repeats itself is not at work.
    if (maxTimeoutMs !== undefined && typeof progress === 'number' && progress > this.#lastProgress) {
      this.#lastProgress = progress;
      this.#extendedUntil = Math.min(performance.now() + timeoutMs, this.#begun + maxTimeoutMs);
    }
    this.progress?.report(params);
  }

  /**
   * The server asked the client something: the time that a person thinks is not the server's.
   * @returns how to say that it was answered.
   */
  pause(): () => void {
    if (this.#questions === 0) this.#askedAt = performance.now();
    this.#questions += 1;
    return () => {
      const paused = this.#paused();
      this.#questions -= 1;
      if (this.#questions > 0) return;
      this.#pausedMs = paused;
      if (!this.#settled) this.#room.wake(performance.now() + this.#left());
    };
  }

  resolve(payload: Payload): void {
    if (this.#settle('answered')) this.#resolve(payload);
  }

  /** The other side answered, if only with an error. */
  refuse(error: RuntimeError): void {
    if (this.#settle('answered')) this.#reject(error);
  }

  /** No answer can come any more. */
  fail(error: RuntimeError): void {
    if (this.#settle('failed')) this.#reject(error);
  }

  /** How long its client was asked so far, ms. */
  #paused(): number {
    const now = this.#questions > 0 ? performance.now() - this.#askedAt : 0;
    return Math.min(MAX_PAUSED_MS, this.#pausedMs + now);
  }

  #left(): number {
    const due = Math.max(this.#begun + this.facts.options.timeoutMs, this.#extendedUntil);
    return due + this.#paused() - performance.now();
  }

  /** While the client is asked, what is left of the time for that counts too. */
  #spare(): number {
    return this.#questions > 0 ? MAX_PAUSED_MS - this.#paused() : 0;
  }

  #abandon(error: (delivery: Delivery) => RuntimeError): void {
    const delivery = this.#settle('abandoned');
    if (delivery) this.#reject(error(delivery));
  }

  /** @returns undefined when it was settled before. */
  #settle(outcome: Outcome): Delivery | undefined {
    if (this.#settled) return undefined;
    this.#settled = true;
    this.facts.options.signal.removeEventListener('abort', this);
    this.progress?.close();
    return this.#room.leave(this, outcome);
  }

  #timeout(delivery: Delivery): RuntimeError {
    const { server, method, options } = this.facts;
    const isCall = method === 'tools/call';
    const thought = this.#paused() > 0 ? ', the time for answers of its client aside' : '';
    const within =
      this.#extendedUntil > 0
        ? `within ${Math.round(performance.now() - this.#begun)} ms, progress and all`
        : `within ${options.timeoutMs} ms${thought}`;
    const data = { server, method, timeoutMs: options.timeoutMs, delivery };
    if (delivery !== 'sent') {
      const fate = delivery === 'unsent' ? 'It was not executed.' : 'It may have been executed.';
      return new RuntimeError(
        'TIMEOUT',
        `The server "${server}" does not read its input: ${method} could not be delivered ${within}. ${fate}`,
        { hint: 'Stop the server and start it again.', data },
      );
    }
    return new RuntimeError(
      'TIMEOUT',
      `The server "${server}" did not answer ${method} ${within}.${isCall ? ' The call may have been executed.' : ''}`,
      {
        hint: isCall ? 'Check what the call did before repeating it, or allow it more time.' : undefined,
        data,
      },
    );
  }
}

/** The error of a caller that left: its own reason where that is one of ours (a deadline of the floor above). */
export function cancelled(server: string, method: string, reason: unknown): RuntimeError {
  if (reason instanceof RuntimeError) return reason;
  return new RuntimeError('CANCELLED', `The request ${method} to the server "${server}" was withdrawn.`, {
    data: { server, method },
    cause: reason,
  });
}
