import { RuntimeError } from '../../core/errors.js';
import { oneLine } from '../../lib/printable.js';
import { protocolBroken } from '../errors.js';
import { readCapped } from './read-body.js';
import { retryAfterOf } from './retry.js';
import { REBOUND } from './steady-lookup.js';

/** How much of a foreign body is shown. */
const SHOWN = 200;
/** How much of it is read for that. */
const READ_BYTES = 4_096;

/** Failures in which no byte of the request can have reached a handler. */
const unreached = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'UND_ERR_CONNECT_TIMEOUT',
  'CERT_HAS_EXPIRED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'ERR_TLS_CERT_ALTNAME_INVALID',
]);

/** The error of a request whose connection could not be made or broke. An error that is ours already stays as it is. */
export function connectionFailed(server: string, method: string, error: unknown): RuntimeError {
  if (error instanceof RuntimeError) return error;
  const { cause, message } = error as { cause?: { code?: unknown; message?: unknown }; message?: unknown };
  const code = typeof cause?.code === 'string' ? cause.code : undefined;
  const why = code ?? oneLine(String(cause?.message ?? message ?? error), 100);
  const data = { server, method, phase: 'http', ...(code ? { errno: code } : {}) };
  if (code === REBOUND) {
    return new RuntimeError(
      'UPSTREAM_PROTOCOL',
      `The server "${server}" is not asked: its name stood for a public address and now stands for one of this network. The request was not sent.`,
      {
        hint: 'If that is right, stop the server and start it again; else its name is used to attack what runs here.',
        data,
        cause: error,
      },
    );
  }
  if (code !== undefined && unreached.has(code)) {
    return new RuntimeError(
      'SERVER_DIED',
      `The server "${server}" cannot be reached (${why}). The request was not executed.`,
      {
        hint: 'Check its url, and whether it runs.',
        data,
        cause: error,
      },
    );
  }
  return connectionLost(server, method, `the connection broke (${why})`, data, error);
}

export function connectionLost(
  server: string,
  method: string,
  what: string,
  data: Readonly<Record<string, unknown>> = { server, method, phase: 'http' },
  cause?: unknown,
): RuntimeError {
  const mayHaveRun = method === 'tools/call' ? ' The call may have been executed.' : '';
  return new RuntimeError(
    'SERVER_DIED',
    `The server "${server}" gave no answer to ${method}: ${what}.${mayHaveRun}`,
    {
      hint: method === 'tools/call' ? 'Check what the call did before repeating it.' : undefined,
      // Repeating by itself might do the work twice.
      retryable: method !== 'tools/call',
      data,
      cause,
    },
  );
}

/** The error of an answer whose status is not a success; reads a little of the body and ends it. */
export async function statusFailed(
  server: string,
  method: string,
  response: Response,
): Promise<RuntimeError> {
  const { status } = response;
  const body = await shownBody(response);
  const said = body === '' ? '' : `: ${body}`;
  const retryAfterMs = retryAfterOf(response.headers.get('retry-after'));
  const data = {
    server,
    status,
    ...(body === '' ? {} : { body }),
    ...(retryAfterMs > 0 ? { retryAfterMs } : {}),
  };
  if (status === 401 || (status === 403 && response.headers.has('www-authenticate'))) {
    const challenge = response.headers.get('www-authenticate');
    return new RuntimeError(
      'SERVER_NEEDS_AUTH',
      `The server "${server}" asks for authentication (HTTP ${status}).`,
      {
        hint: `Run \`mcp-runtime auth ${server}\`, or put the token it expects into "headers" of its definition.`,
        data: { server, status, ...(challenge === null ? {} : { challenge: oneLine(challenge, 500) }) },
      },
    );
  }
  return new RuntimeError(
    'UPSTREAM_ERROR',
    `The server "${server}" answered ${method} with HTTP ${status}${said}`,
    {
      hint: hintFor(status),
      retryable: false,
      data,
    },
  );
}

function hintFor(status: number): string | undefined {
  if (status >= 500 || status === 429) return 'Try again later.';
  if (status === 404 || status === 405) return 'Check its url; an older server may need "type": "sse".';
  return undefined;
}

/** The error of a success that carries no MCP. */
export async function bodyUnusable(
  server: string,
  method: string,
  response: Response,
): Promise<RuntimeError> {
  const type = response.headers.get('content-type');
  const body = await shownBody(response);
  const what =
    body === ''
      ? 'has no body'
      : `is ${type === null ? 'of no declared type' : oneLine(type, 60)} instead of JSON: ${body}`;
  return protocolBroken(server, method, `its HTTP ${response.status} answer ${what}`);
}

async function shownBody(response: Response): Promise<string> {
  try {
    const { bytes } = await readCapped(response, READ_BYTES);
    // Marks of a page mean nothing to a model; escaped they cannot become one either.
    return oneLine(bytes.toString('utf8'), SHOWN)
      .replace(/[<>&]/g, (mark) => ({ '<': '&lt;', '>': '&gt;' })[mark] ?? '&amp;')
      .slice(0, SHOWN);
  } catch {
    return '';
  }
}
