import { RuntimeError } from '../core/errors.js';
import type { ServerProblem } from '../core/server.js';
import type { SessionEnd } from '../core/upstream.js';
import { duration } from '../operations/text.js';

/** File-system and spawn errors that no second try can mend. */
const FINAL_ERRNO = new Set(['ENOENT', 'EACCES', 'EPERM', 'ENOTDIR', 'EISDIR', 'ENOEXEC', 'ELOOP', 'E2BIG']);

/** What a failed start tells: the problem to be shown, and what it means for the next try. */
export interface Failure {
  readonly problem: ServerProblem;
  /** Trying again is useless. */
  readonly final: boolean;
  /** How long the server asked to be left alone, ms. */
  readonly holdMs?: number | undefined;
}

export function problemOf(error: unknown): Failure {
  const at = Date.now();
  if (!(error instanceof RuntimeError)) {
    const message = error instanceof Error ? error.message : String(error);
    return { problem: { code: 'INTERNAL', message, at }, final: false };
  }
  const { errno, retryAfterMs } = error.data ?? {};
  return {
    problem: { code: error.code, message: error.message, hint: error.hint, at },
    final: error.code === 'CONFIG_INVALID' || (typeof errno === 'string' && FINAL_ERRNO.has(errno)),
    ...(typeof retryAfterMs === 'number' ? { holdMs: retryAfterMs } : {}),
  };
}

/** Whether an index said this before anything was started: no fault of the server, and the next may hear otherwise. */
export const ofIndex = ({ code }: ServerProblem): boolean =>
  ['INDEX_UNAVAILABLE', 'FORBIDDEN', 'NOT_APPROVED', 'SERVER_NOT_FOUND'].includes(code);

export function describeEnd(end: SessionEnd): ServerProblem {
  return { code: 'SERVER_DIED', message: end.message, at: Date.now() };
}

export function backingOff(server: string, until: number, problem: ServerProblem): RuntimeError {
  const wait = Math.max(until - Date.now(), 0);
  return new RuntimeError(
    'SERVER_BACKING_OFF',
    `The server "${server}" failed repeatedly and is tried again in ${duration(wait)}. Last: ${problem.message}`,
    {
      hint: `Wait until ${new Date(until).toISOString()}, or force it with manage_server(server_name="${server}", action="start").`,
      data: { server, until: new Date(until).toISOString() },
    },
  );
}

/** A remote server whose session stands, but to which nothing is sent before `until`. */
export function outOfReach(server: string, until: number, problem: ServerProblem): RuntimeError {
  const wait = Math.max(until - Date.now(), 0);
  const again = wait === 0 ? 'at this moment' : `in ${duration(wait)}`;
  return new RuntimeError(
    'SERVER_BACKING_OFF',
    `The server "${server}" takes no requests and is tried again ${again}; this one was not sent. Last: ${problem.message}`,
    {
      hint: `Wait until ${new Date(until).toISOString()}, or force it with manage_server(server_name="${server}", action="start").`,
      data: { server, until: new Date(until).toISOString() },
    },
  );
}

export function failed(server: string, problem: ServerProblem): RuntimeError {
  const again = `manage_server(server_name="${server}", action="start") tries again.`;
  return new RuntimeError(
    'SERVER_START_FAILED',
    `The server "${server}" has failed and is not tried again by itself. ${problem.message}`,
    {
      hint: problem.hint ? `${problem.hint} Then ${again}` : again,
      data: { server },
    },
  );
}

export function needsAuth(server: string, problem: ServerProblem): RuntimeError {
  return new RuntimeError('SERVER_NEEDS_AUTH', problem.message, { hint: problem.hint, data: { server } });
}

export function stopped(server: string): RuntimeError {
  return new RuntimeError('CANCELLED', `The server "${server}" was stopped while it started.`, {
    hint: `Start it again with manage_server(server_name="${server}", action="start").`,
  });
}

/** Whether there was no place for it among those that may run at once, which says nothing about the server. */
export const isNoRoom = (error: unknown): boolean =>
  error instanceof RuntimeError && error.data?.['reason'] === 'no-room';
