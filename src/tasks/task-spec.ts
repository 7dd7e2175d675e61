import type { Asker } from '../core/caller.js';
import { RuntimeError } from '../core/errors.js';
import type { Payload } from '../core/payload.js';
import type { CallToolResult, Progress } from '../core/upstream.js';
import type { NewTaskRow, TaskRow } from './task-rows.js';

/** A call to be made in the background. */
export interface TaskSpec extends Asker {
  readonly clientId: string;
  readonly server: string;
  readonly tool: string;
  readonly arguments: Readonly<Record<string, unknown>>;
  /** Lower runs first. */
  readonly priority: number;
  /** Ms for the call. */
  readonly timeoutMs: number;
  /** The time counts from submission instead of from the start, so waiting is covered by it. */
  readonly countWaiting?: boolean | undefined;
  /** The tool says `idempotentHint` or `readOnlyHint`: after a crash it may run again. */
  readonly idempotent: boolean;
  /** What its client declared that it can be asked. Default: nothing. */
  readonly capabilities?: Readonly<Record<string, unknown>> | undefined;
  /** Whether a person said yes to the call. */
  readonly confirmed?: boolean | undefined;
  /** How many tasks of this server may run at once; default: one less than there are workers. */
  readonly maxPerServer?: number | undefined;
}

export interface RunContext {
  readonly taskId: string;
  /** 1 for the first start; more after a crash. */
  readonly attempt: number;
  /** Aborted on cancel, at the deadline and when the queue closes; the reason is a RuntimeError. */
  readonly signal: AbortSignal;
  readonly progress: (progress: Progress) => void;
  /** Hands a question of the server to whoever looks after the task. Rejects with `{code, message}` or a RuntimeError. */
  readonly ask: (method: string, params: unknown) => Promise<unknown>;
  /** Until when at least a result that came now would stay, ms since the epoch. What it refers to must stay as long. */
  readonly keepUntil: () => number;
}

/** Makes the call. `timeoutMs` of the spec is what is left of it. Its result is stored as it is given. */
export type RunTask = (spec: TaskSpec, context: RunContext) => Promise<Payload<CallToolResult>>;

const MAX_TIMEOUT_MS = 7 * 24 * 3_600_000;

/** @throws RuntimeError INVALID_ARGUMENTS. */
export function toRow(spec: TaskSpec, id: string, createdAt: number): NewTaskRow {
  const refuse = (what: string, value: unknown) =>
    new RuntimeError('INVALID_ARGUMENTS', `${what}, not ${JSON.stringify(value) ?? String(value)}.`);
  if (!Number.isSafeInteger(spec.priority)) throw refuse('priority must be an integer', spec.priority);
  if (!(spec.timeoutMs > 0 && spec.timeoutMs <= MAX_TIMEOUT_MS)) {
    throw refuse('timeout must be more than 0 and at most 7 days', spec.timeoutMs);
  }
  if (
    spec.maxPerServer !== undefined &&
    !(Number.isSafeInteger(spec.maxPerServer) && spec.maxPerServer >= 1)
  ) {
    throw refuse('maxPerServer must be an integer of at least 1', spec.maxPerServer);
  }
  return {
    id,
    principal: spec.principal,
    clientId: spec.clientId,
    server: spec.server,
    tool: spec.tool,
    arguments: JSON.stringify(spec.arguments),
    priority: spec.priority,
    timeoutMs: Math.ceil(spec.timeoutMs),
    countWaiting: spec.countWaiting === true,
    idempotent: spec.idempotent,
    maxPerServer: spec.maxPerServer,
    capabilities: spec.capabilities,
    asker: {
      clientName: spec.clientName,
      restriction: spec.restriction,
      confirmed: spec.confirmed === true,
    },
    createdAt,
  };
}

/** @param timeoutMs what is left for the call. */
export function toSpec(row: TaskRow, timeoutMs: number): TaskSpec {
  return {
    principal: row.principal,
    clientId: row.clientId,
    server: row.server,
    tool: row.tool,
    arguments: JSON.parse(row.arguments) as Record<string, unknown>,
    priority: row.priority,
    timeoutMs,
    countWaiting: row.countWaiting,
    idempotent: row.idempotent,
    maxPerServer: row.maxPerServer,
    capabilities: row.capabilities,
    ...row.asker,
  };
}
