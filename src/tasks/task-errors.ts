import { RuntimeError } from '../core/errors.js';

const call = (task: { readonly server: string; readonly tool: string }) => `${task.server}/${task.tool}`;

const hours = (ms: number) => `${Math.round((ms / 3_600_000) * 10) / 10} hours`;

/** Malformed, unknown and foreign ids are one error. */
function taskUnknown(): RuntimeError {
  return new RuntimeError('TASK_NOT_FOUND', 'No task of that id is known.', {
    hint: 'list_tasks shows the ids of your tasks.',
    data: { reason: 'unknown' },
  });
}

function taskExpired(ttlMs: number): RuntimeError {
  return new RuntimeError('TASK_NOT_FOUND', `The task has expired: results are kept for ${hours(ttlMs)}.`, {
    hint: 'Call the tool again if the result is still needed.',
    data: { reason: 'expired' },
  });
}

function queueFull(size: number, retryAfterMs: number): RuntimeError {
  const seconds = Math.ceil(retryAfterMs / 1000);
  return new RuntimeError('QUEUE_FULL', `The background queue is full (${size}); retry after ${seconds} s.`, {
    hint: 'Poll or cancel tasks that wait, or call the tool in the foreground.',
    data: { size, retryAfterMs },
  });
}

function draining(): RuntimeError {
  return new RuntimeError('ENGINE_DRAINING', 'The engine is stopping and takes no new tasks.', {
    hint: 'Try again in a few seconds.',
  });
}

function interrupted(task: { readonly server: string; readonly tool: string }, what: string): RuntimeError {
  return new RuntimeError(
    'OUTCOME_UNKNOWN',
    `Interrupted, may have run: ${what} while ${call(task)} was running.`,
    {
      hint: 'Check whether the call had its effect before it is made again.',
      data: { reason: 'interrupted' },
    },
  );
}

function poisoned(task: { readonly server: string; readonly tool: string }, attempts: number): RuntimeError {
  return new RuntimeError(
    'OUTCOME_UNKNOWN',
    `The engine ended ${attempts} times while ${call(task)} was running; it is not tried again and may have run.`,
    {
      hint: 'Try the call in the foreground, and look at the log of the engine.',
      data: { reason: 'poisoned', attempts },
    },
  );
}

function cancelled(): RuntimeError {
  return new RuntimeError('CANCELLED', 'The task was cancelled.');
}

function outOfTime(
  task: { readonly server: string; readonly tool: string },
  ms: number,
  ran: boolean,
): RuntimeError {
  return new RuntimeError(
    'TIMEOUT',
    ran
      ? `${call(task)} did not answer within ${ms} ms; it may have been executed.`
      : `${call(task)} waited in the queue until its ${ms} ms were over; it was never started.`,
    { hint: 'Allow a longer timeout.', ...(ran ? {} : { retryable: true }) },
  );
}

function notAnswered(
  task: { readonly server: string; readonly tool: string },
  method: string,
  ms: number,
): RuntimeError {
  return new RuntimeError(
    'TIMEOUT',
    `${call(task)} asked for something (${method}) and nobody answered within ${Math.round(ms / 1000)} s; it was withdrawn and may have been executed in part.`,
    {
      hint: 'Run it again, and poll it: poll_task_result tells what is asked and takes the answers.',
      data: { reason: 'not-answered', method },
    },
  );
}

function askedTooOften(task: { readonly server: string; readonly tool: string }, most: number): RuntimeError {
  return new RuntimeError(
    'UPSTREAM_PROTOCOL',
    `${call(task)} asked for something more than ${most} times; it was withdrawn.`,
    { data: { reason: 'asked-too-often' } },
  );
}

function notStored(error: unknown): RuntimeError {
  if (error instanceof RuntimeError) return error;
  return new RuntimeError('STORAGE_FAILED', `The task could not be stored: ${(error as Error).message}.`, {
    cause: error,
  });
}

function resultNotStored(error: unknown): RuntimeError {
  const why = error instanceof Error ? error.message : String(error);
  return new RuntimeError(
    'STORAGE_FAILED',
    `The call was made, but its result could not be stored: ${why}.`,
    {
      hint: 'Free space on the disk. The call has had its effects; check before it is made again.',
      retryable: false,
      cause: error,
    },
  );
}

/** What `run` threw, as an error that can be stored. */
function asRuntimeError(error: unknown): RuntimeError {
  if (error instanceof RuntimeError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new RuntimeError('INTERNAL', `The task failed unexpectedly: ${message}`, { cause: error });
}

/** Every error that the queue gives, by what happened. */
export const taskErrors = {
  taskUnknown,
  taskExpired,
  queueFull,
  draining,
  interrupted,
  poisoned,
  cancelled,
  outOfTime,
  notAnswered,
  askedTooOften,
  notStored,
  resultNotStored,
  asRuntimeError,
};
