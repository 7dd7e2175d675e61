import type { Task, TaskStatus } from '../core/task.js';
import type { Logger } from '../lib/log.js';
import type { RunTask } from './task-spec.js';

export interface QueueOptions {
  /** Path of the SQLite file; may be shared with others. */
  readonly database: string;
  /** For results too large for a row. The queue's own: it removes what it does not know. */
  readonly directory: string;
  readonly run: RunTask;
  /** Places for waiting tasks. Default 100. */
  readonly size?: number | undefined;
  /** Tasks that run at once. Default 4. */
  readonly workers?: number | undefined;
  /** How long a result stays after the end. Default 24 h. */
  readonly ttlMs?: number | undefined;
  /** How long after that an id is told apart from an unknown one. Default 7 days. */
  readonly rememberMs?: number | undefined;
  /** Who has waited so long goes before all who have not. Default 30 s. */
  readonly ageingMs?: number | undefined;
  /** Starts after which an idempotent task that saw the engine end is given up. Default 2. */
  readonly maxAttempts?: number | undefined;
  /** `run` keeps the deadline itself; this much later the queue does, should it not. Default 60 s. */
  readonly overrunMs?: number | undefined;
  /** How long an aborted run may still hold its worker. Default 5 s. */
  readonly graceMs?: number | undefined;
  /** How long a question of a server may wait for its answer; the task ends with it. Default 10 min. */
  readonly answerMs?: number | undefined;
  /** Ms since the epoch. */
  readonly clock?: (() => number) | undefined;
  readonly logger?: Logger | undefined;
}

export interface Settings {
  readonly size: number;
  readonly workers: number;
  readonly ttlMs: number;
  readonly rememberMs: number;
  readonly ageingMs: number;
  readonly maxAttempts: number;
  readonly overrunMs: number;
  readonly graceMs: number;
  readonly maxPerServer: number;
  readonly answerMs: number;
  readonly clock: () => number;
}

export interface TaskList {
  readonly tasks: readonly Task[];
  readonly total: number;
}

/** `size` and `workers` are the settings, the rest counts tasks. */
export type TaskStatistics = Readonly<Record<TaskStatus, number>> & {
  readonly size: number;
  readonly workers: number;
};

/** @throws RangeError that names the option and its value. */
export function checkedSettings(options: QueueOptions): Settings {
  const number = (name: keyof QueueOptions & keyof Settings, fallback: number, least: number): number => {
    const value = options[name] ?? fallback;
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least) return value;
    throw new RangeError(`${name} must be an integer of at least ${least}, not ${String(value)}`);
  };
  const workers = number('workers', 4, 1);
  return {
    size: number('size', 100, 1),
    workers,
    ttlMs: number('ttlMs', 24 * 3_600_000, 1000),
    rememberMs: number('rememberMs', 7 * 24 * 3_600_000, 0),
    ageingMs: number('ageingMs', 30_000, 0),
    maxAttempts: number('maxAttempts', 2, 1),
    overrunMs: number('overrunMs', 60_000, 0),
    graceMs: number('graceMs', 5000, 0),
    // One server that hangs must leave a worker to the others.
    maxPerServer: Math.max(1, workers - 1),
    answerMs: number('answerMs', 600_000, 1),
    clock: options.clock ?? Date.now,
  };
}
