import type { Task } from '../core/task.js';
import type { Job } from './job.js';
import type { TaskRow } from './task-rows.js';

/** A task as it is shown: what is on disk, and what only the process that runs it knows. */
export function asTask(row: TaskRow, job: Job | undefined, more: Pick<Task, 'expiresAt' | 'position'>): Task {
  const { id, principal, clientId, server, tool, priority, status, createdAt, startedAt, endedAt, error } =
    row;
  const questions = job?.settled === false ? job.questions?.open : undefined;
  return {
    ...{ id, principal, clientId, server, tool, priority, status, createdAt, startedAt, endedAt, error },
    ...more,
    progress: job?.progress ?? row.progress,
    ...(questions === undefined ? {} : { questions }),
  };
}
