import type { OperationContext } from '../core/caller.js';
import { untilAborted } from '../lib/abort.js';
import { confirm, type Wanted } from './confirm.js';
import type { Executor } from './executor.js';
import type { Gate } from './gate.js';
import type { Learner } from './learner.js';

/** Lets calls in: refuses what may not be called, and asks a person where the policy wants that. */
export class Admission {
  readonly #gate: Gate;
  readonly #executor: Executor;
  readonly #learner: Learner;

  constructor(parts: { gate: Gate; executor: Executor; learner: Learner }) {
    this.#gate = parts.gate;
    this.#executor = parts.executor;
    this.#learner = parts.learner;
  }

  /**
   * Before a call is made, or accepted to be made later.
   * @returns whether a person said yes to it.
   * @throws RuntimeError as `Executor.check`, or NOT_CONFIRMED.
   */
  admit(wanted: Wanted, context: OperationContext): boolean | Promise<boolean> {
    // As a promise only where it must be, which is kept for every call that runs.
    return this.#gate.sight(context.caller).free ? false : this.#judge(wanted, context);
  }

  async #judge(wanted: Wanted, { caller, signal, client }: OperationContext): Promise<boolean> {
    const { server, tool } = wanted;
    const known = this.#executor.check(server, tool, caller);
    // What the tool says of itself must be known before it can be decided.
    if (!known && this.#gate.sight(caller).require(server).learntAt === undefined) {
      await untilAborted(this.#learner.learn(server), signal);
      this.#executor.check(server, tool, caller);
    }
    if (this.#gate.sight(caller).verdict(server, tool) !== 'confirm') return false;
    await confirm(wanted, client, signal);
    return true;
  }
}
