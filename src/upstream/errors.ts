import { RuntimeError } from '../core/errors.js';
import type { SessionEnd } from '../core/upstream.js';
import { lastLines, oneLine } from '../lib/printable.js';
import type { PeerError } from './message.js';

/** How much of a server's last words an error carries. */
const STDERR_BYTES = 2_048;

/** The facts of an end, for `data`. */
export function endFacts(server: string, end: SessionEnd | undefined): Record<string, unknown> {
  return {
    server,
    ...(end?.exitCode === undefined ? {} : { exitCode: end.exitCode }),
    ...(end?.exitSignal === undefined ? {} : { signal: end.exitSignal }),
    ...(end?.stderr ? { stderr: lastLines(end.stderr, STDERR_BYTES) } : {}),
  };
}

export function died(server: string, method: string, end: SessionEnd | undefined): RuntimeError {
  if (!end || end.reason === 'closed') {
    return new RuntimeError(
      'SERVER_DIED',
      `The server "${server}" was stopped before it answered ${method}.`,
      {
        data: endFacts(server, end),
      },
    );
  }
  const words = end.stderr ? lastLines(end.stderr, 400) : '';
  const said = words === '' ? '' : ` It said last: ${oneLine(words, 400)}`;
  return new RuntimeError(
    'SERVER_DIED',
    `The server "${server}" ended before it answered ${method}: ${end.message}.${said}`,
    {
      hint:
        method === 'tools/call' ? 'The call may have been executed; check before repeating it.' : undefined,
      data: endFacts(server, end),
    },
  );
}

/** An error the server answered with; its code, message and data stand in `data` as they came. */
export function upstreamError(server: string, method: string, error: PeerError): RuntimeError {
  return new RuntimeError(
    'UPSTREAM_ERROR',
    `The server "${server}" answered ${method} with error ${error.code}: ${oneLine(error.message, 500)}`,
    {
      data: {
        server,
        code: error.code,
        message: error.message,
        ...('data' in error ? { data: error.data } : {}),
      },
    },
  );
}

export function protocolBroken(server: string, method: string, why: string): RuntimeError {
  const mayHaveRun = method === 'tools/call' ? ' The call may have been executed.' : '';
  return new RuntimeError(
    'UPSTREAM_PROTOCOL',
    `The server "${server}" gave an invalid answer to ${method}: ${why}.${mayHaveRun}`,
    {
      hint: 'This is a fault of the server; report it to its authors.',
      data: { server, method, why },
    },
  );
}

export function tooLarge(server: string, method: string, bytes: number, limit: number): RuntimeError {
  return new RuntimeError(
    'RESULT_TOO_LARGE',
    `The server "${server}" answered ${method} with ${bytes} bytes; at most ${limit} are accepted.`,
    { hint: 'Ask for less: a smaller range, a filter, or a page.', data: { server, bytes, limit } },
  );
}

export const notJson = (server: string, method: string, cause: unknown): RuntimeError =>
  new RuntimeError('INVALID_ARGUMENTS', `The arguments for ${method} cannot be written as JSON.`, {
    data: { server },
    cause,
  });
