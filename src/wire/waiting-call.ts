import type { OperationContext } from '../core/caller.js';
import type { ClientLink } from '../core/client-link.js';
import { RuntimeError } from '../core/errors.js';
import type { OperationName } from '../operations/table.js';
import { withdrawn } from './call-errors.js';

/** One call that waits for its answer; its caller's signal withdraws it. */
export class Waiting {
  readonly id: number;
  readonly op: OperationName;
  readonly context: OperationContext;
  readonly waitMs: number;
  readonly until: number;
  readonly resolve: (output: never) => void;
  readonly reject: (error: RuntimeError) => void;
  readonly #withdraw: (waiting: Waiting, error: RuntimeError) => void;
  /** Whether the link has it: then it may run. */
  sent = false;

  constructor(
    facts: Pick<Waiting, 'id' | 'op' | 'context' | 'waitMs' | 'until' | 'resolve' | 'reject'>,
    withdraw: (waiting: Waiting, error: RuntimeError) => void,
  ) {
    this.id = facts.id;
    this.op = facts.op;
    this.context = facts.context;
    this.waitMs = facts.waitMs;
    this.until = facts.until;
    this.resolve = facts.resolve;
    this.reject = facts.reject;
    this.#withdraw = withdraw;
    this.context.signal.addEventListener('abort', this, { once: true });
  }

  handleEvent(): void {
    this.#withdraw(this, withdrawn(this.context.signal.reason));
  }

  release(): void {
    this.context.signal.removeEventListener('abort', this);
  }
}

/** What the engine is told of the client of a call. */
export function factsOf({ capabilities, logLevel, workspace, round }: ClientLink): string {
  return JSON.stringify({ capabilities, logLevel, workspace, round });
}

/** The input of a call and what came with it, as members of a JSON object. @throws RuntimeError INVALID_ARGUMENTS */
export function print(input: unknown, meta: OperationContext['meta']): string {
  try {
    const more = meta === undefined ? '' : `,"meta":${JSON.stringify(meta)}`;
    return `"input":${JSON.stringify(input) ?? '{}'}${more}`;
  } catch (error) {
    throw new RuntimeError('INVALID_ARGUMENTS', `The arguments are no JSON: ${String(error)}.`, {
      cause: error,
    });
  }
}
