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

/** Member by member where it is a plain object, in half the time; what a member is not printed as is left out. */
function printInput(input: unknown): string {
  const isPlain =
    typeof input === 'object' &&
    input !== null &&
    Object.getPrototypeOf(input) === Object.prototype &&
    !('toJSON' in input);
  if (!isPlain) return JSON.stringify(input) ?? '{}';
  let text = '';
  for (const key in input) {
    const value = JSON.stringify((input as Record<string, unknown>)[key]);
    if (value !== undefined) text += `${text === '' ? '' : ','}${JSON.stringify(key)}:${value}`;
  }
  return `{${text}}`;
}

/** The input of a call and what came with it, as members of a JSON object. @throws RuntimeError INVALID_ARGUMENTS */
export function print(input: unknown, meta: OperationContext['meta']): string {
  try {
    const more = meta === undefined ? '' : `,"meta":${JSON.stringify(meta)}`;
    return `"input":${printInput(input)}${more}`;
  } catch (error) {
    throw new RuntimeError('INVALID_ARGUMENTS', `The arguments are no JSON: ${String(error)}.`, {
      cause: error,
    });
  }
}
