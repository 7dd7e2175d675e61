import { randomBytes } from 'node:crypto';
import type { Result } from '@modelcontextprotocol/server';
import type { Round } from '../core/client-link.js';
import type { Payload } from '../core/payload.js';
import { INTERNAL_ERROR, INVALID_PARAMS, ProtocolError } from './protocol-error.js';

/** A server that asks on and on is told no. */
const MAX_ROUNDS = 10;
const MAX_SUSPENDED = 64;
/** How long a client may take to answer, ms. */
const PATIENCE_MS = 600_000;
/** Questions that come together are handed over together, ms. */
const GATHER_MS = 10;
const OURS = 'mcp-runtime.';

interface Question {
  readonly method: string;
  readonly params: unknown;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** What a call has while it runs; it may outlive several requests of its client. */
export interface RoundCall {
  readonly signal: AbortSignal;
  ask(method: string, params: unknown): Promise<unknown>;
}

type Answer = Result | Payload;

class Call {
  readonly key: string;
  readonly controller = new AbortController();
  readonly questions = new Map<string, Question>();
  outcome: Promise<Answer> | undefined;
  rounds = 0;
  timer: NodeJS.Timeout | undefined;
  #next = 1;
  #asked: (() => void) | undefined;

  constructor(key: string) {
    this.key = key;
  }

  ask(method: string, params: unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.questions.set(`${this.#next++}`, { method, params, resolve, reject });
      this.#asked?.();
    });
  }

  /** Resolves once there are questions that the client has not answered. */
  async asked(): Promise<undefined> {
    if (this.questions.size === 0) {
      await new Promise<void>((resolve) => {
        this.#asked = resolve;
      });
    }
    await new Promise((resolve) => setTimeout(resolve, GATHER_MS));
    return undefined;
  }

  end(why: object): void {
    clearTimeout(this.timer);
    this.controller.abort(why);
    for (const { reject } of this.questions.values()) reject(why);
    this.questions.clear();
  }
}

/**
 * Calls of a client of 2026-07-28 whose server asks back in the manner of earlier revisions, while it waits. The client
 * gets the questions as the result of its request and brings the answers with the next one; the call waits meanwhile.
 */
export class Rounds {
  readonly #suspended = new Map<string, Call>();

  /**
   * @param key what the request asks for; a later round must ask for the same.
   * @throws ProtocolError -32602 for a state of ours that is not known, no longer known, or was used.
   */
  async run(
    request: { readonly key: string; readonly round: Round; readonly signal: AbortSignal },
    work: (call: RoundCall) => Promise<Answer>,
  ): Promise<Answer> {
    const { round, key, signal } = request;
    const call = this.#resume(round, key) ?? new Call(key);
    call.outcome ??= work({
      signal: call.controller.signal,
      ask: (method, params) => call.ask(method, params),
    });
    // Who asks next time hears of a failure; until then nobody does.
    call.outcome.catch(() => {});
    const onAbort = () => call.end({ code: INTERNAL_ERROR, message: 'The client withdrew the request' });
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      const result = await Promise.race([call.outcome, call.asked()]);
      return result ?? this.#suspend(call);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Withdraws what waits for answers. */
  close(): void {
    for (const call of this.#suspended.values())
      call.end({ code: INTERNAL_ERROR, message: 'The client left' });
    this.#suspended.clear();
  }

  #resume({ requestState, inputResponses }: Round, key: string): Call | undefined {
    if (typeof requestState !== 'string' || !requestState.startsWith(OURS)) return undefined;
    const call = this.#suspended.get(requestState);
    if (call?.key !== key) throw new ProtocolError(INVALID_PARAMS, 'Invalid or expired requestState');
    this.#suspended.delete(requestState);
    clearTimeout(call.timer);
    const answers = (inputResponses ?? {}) as Record<string, unknown>;
    for (const [name, question] of call.questions) {
      if (!Object.hasOwn(answers, name)) continue;
      call.questions.delete(name);
      question.resolve(answers[name]);
    }
    return call;
  }

  #suspend(call: Call): Result {
    call.rounds += 1;
    if (call.rounds > MAX_ROUNDS || this.#suspended.size >= MAX_SUSPENDED) {
      call.end({ code: INTERNAL_ERROR, message: 'The client was asked too often' });
      throw new ProtocolError(INTERNAL_ERROR, 'The server asked the client too often');
    }
    const requestState = OURS + randomBytes(24).toString('base64url');
    this.#suspended.set(requestState, call);
    call.timer = setTimeout(() => {
      this.#suspended.delete(requestState);
      call.end({ code: INTERNAL_ERROR, message: 'The client did not answer in time' });
    }, PATIENCE_MS);
    call.timer.unref();
    const inputRequests = Object.fromEntries(
      [...call.questions].map(([name, { method, params }]) => [name, { method, params: params ?? {} }]),
    );
    return { resultType: 'input_required', inputRequests, requestState } as unknown as Result;
  }
}
