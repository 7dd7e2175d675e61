import { RuntimeError } from '../core/errors.js';
import type { ServerProblem, ServerState } from '../core/server.js';
import { sleep, untilAborted } from '../lib/abort.js';
import { CircuitBreaker } from '../lib/circuit-breaker.js';
import { needsAuth, outOfReach, problemOf } from './problems.js';
import { breakerRules } from './restart.js';

/** A request that tries a server which was down. */
interface Probe {
  readonly settled: Promise<void>;
  settle(): void;
}

export interface OutageOptions {
  readonly server: string;
  /** When the session began, ms since the epoch. */
  readonly since: number;
  /** A request that changes nothing. */
  readonly ask: (signal: AbortSignal) => Promise<unknown>;
  /** Called when `state` became another. */
  readonly onChange: () => void;
}

/** What the end of a request says about its server. */
type Verdict = 'up' | 'down' | 'needs-auth' | 'unclear';

/**
 * Whether requests may be sent to a remote server whose session stands. After some failures in a row (5xx, 429, no
 * connection) none is, for a while that grows; then one tries it, and the others follow when that one was not refused.
 * After a 401 one may knock every few seconds until one is let in; the tokens were refreshed by then, if they could be.
 */
export class Outage {
  readonly #options: OutageOptions;
  readonly #breaker = new CircuitBreaker({ ...breakerRules, now: () => Date.now() });
  #probe: Probe | undefined;
  /** Why nothing is sent, or why the last request failed. */
  #problem: ServerProblem | undefined;
  #door: ServerProblem | undefined;
  #knockedAt = 0;

  constructor(options: OutageOptions) {
    this.#options = options;
  }

  /** Undefined while all is well. */
  get state(): ServerState | undefined {
    if (this.#door) return { status: 'needs-auth', problem: this.#door };
    const { openUntil: until, failures: attempts } = this.#breaker;
    if (until === undefined || !this.#problem) return undefined;
    return {
      status: 'backing-off',
      until,
      attempts,
      problem: this.#problem,
      connectedSince: this.#options.since,
    };
  }

  /** Says at once what a request would hear later. @throws RuntimeError SERVER_BACKING_OFF or SERVER_NEEDS_AUTH. */
  refuse(): void {
    if (this.#door && Date.now() - this.#knockedAt < breakerRules.authAgainMs)
      throw needsAuth(this.#options.server, this.#door);
    const until = this.#breaker.openUntil ?? 0;
    if (until > Date.now() && this.#problem) throw outOfReach(this.#options.server, until, this.#problem);
  }

  /** Somebody asked for it: tries it, whatever was before, and rejects with what came of it. */
  async tryNow(signal: AbortSignal): Promise<void> {
    if (!this.state) return;
    this.#knockedAt = 0;
    this.#breaker.endPause();
    await this.pass(signal, () => this.#options.ask(signal));
  }

  /** Sends a request if it may be sent. Rejects as `refuse` throws, or as the request does. */
  async pass<T>(signal: AbortSignal, request: () => Promise<T>): Promise<T> {
    this.refuse();
    // One knocks; the others hear what it heard.
    this.#knockedAt = Date.now();
    const probe = await this.#enter(signal);
    const taken = probe && setTimeout(() => this.#judge('up'), breakerRules.takenMs).unref();
    try {
      const result = await request();
      this.#judge('up');
      return result;
    } catch (error) {
      this.#judge(verdictOf(error), error);
      throw error;
    } finally {
      clearTimeout(taken);
      probe?.settle();
    }
  }

  /** @returns the probe that the request is, if it is one. */
  async #enter(signal: AbortSignal): Promise<Probe | undefined> {
    for (let waited = false; ; waited = true) {
      const admission = this.#breaker.enter();
      if (admission.kind === 'go') return undefined;
      if (admission.kind === 'probe') {
        this.#probe = newProbe();
        return this.#probe;
      }
      this.refuse();
      if (waited || !this.#probe)
        throw outOfReach(this.#options.server, Date.now() + admission.ms, this.#problem ?? NO_ANSWER);
      const patience = sleep(breakerRules.patienceMs, { unref: true });
      await untilAborted(Promise.race([this.#probe.settled, patience]), signal);
    }
  }

  #judge(verdict: Verdict, error?: unknown): void {
    const before = this.state?.status;
    switch (verdict) {
      case 'up':
        this.#breaker.succeed();
        this.#problem = undefined;
        this.#door = undefined;
        break;
      case 'needs-auth':
        // It answers.
        this.#breaker.succeed();
        this.#door = problemOf(error).problem;
        break;
      case 'down': {
        const { problem, holdMs } = problemOf(error);
        this.#problem = problem;
        this.#breaker.fail(holdMs);
        break;
      }
      default:
        this.#breaker.withdraw();
    }
    this.#probe?.settle();
    if (verdict === 'down' ? this.#breaker.openUntil !== undefined : this.state?.status !== before)
      this.#options.onChange();
  }
}

const NO_ANSWER: ServerProblem = { code: 'SERVER_DIED', message: 'It gave no answer.', at: 0 };

function newProbe(): Probe {
  let settle = () => {};
  const settled = new Promise<void>((resolve) => {
    settle = resolve;
  });
  return { settled, settle };
}

/** An error that the server answers with in MCP's words is an answer; that a caller left or had no more time says nothing. */
function verdictOf(error: unknown): Verdict {
  if (!(error instanceof RuntimeError)) return 'unclear';
  const { status, errno } = error.data ?? {};
  if (error.code === 'SERVER_NEEDS_AUTH') return status === 401 ? 'needs-auth' : 'up';
  if (error.code === 'SERVER_DIED') return typeof errno === 'string' ? 'down' : 'unclear';
  if (error.code !== 'UPSTREAM_ERROR' && error.code !== 'RESULT_TOO_LARGE') return 'unclear';
  return typeof status === 'number' && (status >= 500 || status === 429) ? 'down' : 'up';
}
