import type { RestartPolicy, ServerState } from '../core/server.js';
import { type Failure, ofIndex } from './problems.js';
import { afterEnd, type EndHistory, type RestartRules } from './restart.js';

/** What happens after a server ended by itself or could not be started: the state that follows, and the next try. */
export class Recovery {
  readonly #policy: RestartPolicy;
  readonly #rules: RestartRules;
  readonly #restart: () => void;
  #history: EndHistory = [];
  #timer: NodeJS.Timeout | undefined;

  /** @param restart called when it is time to start again by itself; only with the policy `always`. */
  constructor(policy: RestartPolicy, rules: RestartRules, restart: () => void) {
    this.#policy = policy;
    this.#rules = rules;
    this.#restart = restart;
  }

  /**
   * @param upMs how long it had been ready; 0 when it never was.
   * @param wanted whether it is to come back without being asked, if its policy is `always`.
   */
  next(why: Failure, upMs: number, wanted: boolean): ServerState {
    this.pause();
    const { problem, final, holdMs } = why;
    if (problem.code === 'SERVER_NEEDS_AUTH') return { status: 'needs-auth', problem };
    if (ofIndex(problem)) return { status: 'stopped', lastProblem: problem };
    const now = Date.now();
    const facts = { now, upMs, policy: this.#policy, final, random: Math.random(), holdMs };
    const { history, decision } = afterEnd(this.#history, facts, this.#rules);
    this.#history = history;
    if (decision.action === 'give-up') return { status: 'failed', problem };
    const { delayMs, attempts } = decision;
    if (this.#policy === 'always' && wanted) {
      this.#timer = setTimeout(this.#restart, delayMs);
      this.#timer.unref();
    }
    return delayMs === 0
      ? { status: 'stopped', lastProblem: problem }
      : { status: 'backing-off', until: now + delayMs, attempts, problem };
  }

  /** No try by itself any more; what was before still counts. */
  pause(): void {
    clearTimeout(this.#timer);
  }

  /** Someone asked for it, or stopped it: what was before no longer counts. */
  forget(): void {
    this.pause();
    this.#history = [];
  }
}
