import type { RuntimeErrorJson } from './errors.js';
import type { Payload } from './payload.js';
import type { CallToolResult, Progress } from './upstream.js';

export type TaskStatus = 'queued' | 'running' | 'completed' | 'failed' | 'cancelled';

/** A request of a server for its client, as it came. */
export interface TaskQuestion {
  readonly method: string;
  readonly params: unknown;
}

/** A call in the background. Terminal states are written once. Times are ms since the epoch. */
export interface Task {
  readonly id: string;
  readonly principal: string;
  readonly clientId: string;
  readonly server: string;
  readonly tool: string;
  readonly priority: number;
  readonly status: TaskStatus;
  readonly createdAt: number;
  readonly startedAt?: number | undefined;
  readonly endedAt?: number | undefined;
  /** Until when it is known, as far as can be said now. */
  readonly expiresAt: number;
  /** 1 is next; only while queued. */
  readonly position?: number | undefined;
  readonly progress?: Progress | undefined;
  /** What its server wants to know before it goes on, by keys that no later question of the task has; absent: nothing. */
  readonly questions?: Readonly<Record<string, TaskQuestion>> | undefined;
  readonly result?: Payload<CallToolResult> | undefined;
  readonly error?: RuntimeErrorJson | undefined;
}
