import { isIP } from 'node:net';
import { RuntimeError } from '../../core/errors.js';
import { jsonObject } from '../../lib/json-object.js';
import { readCapped } from '../remote/read-body.js';

const MAX_BYTES = 1_048_576;
const TIMEOUT_MS = 5_000;

export type Fetch = typeof fetch;

/** The failure of anything on the way to a token. */
export function authFailed(server: string, why: string, hint?: string): RuntimeError {
  return new RuntimeError('SERVER_NEEDS_AUTH', `The server "${server}" could not be authorised: ${why}.`, {
    hint: hint ?? 'Check its url, or put a token into "headers" of its definition.',
    data: { server },
  });
}

/**
 * An address that what a server says may lead us to: https outside private networks, or (for a server on this machine)
 * its own origin. Everything else could be used to reach what only we can reach, or to run a script in a browser.
 * @param local whether a person said that a server on this machine may also name others on this machine.
 */
export function allowedUrl(server: string, text: unknown, from: URL, what: string, local = false): URL {
  let url: URL;
  try {
    url = new URL(String(text));
  } catch {
    throw authFailed(server, `its ${what} is no url`);
  }
  const own = url.origin === from.origin;
  const isSafe = url.protocol === 'https:' && (own || !isPrivate(url.hostname));
  const isNear = own || (local && isLoopbackHost(from.hostname));
  const isLoopback = isNear && url.protocol === 'http:' && isLoopbackHost(url.hostname);
  if ((isSafe || isLoopback) && url.username === '' && url.password === '') return url;
  throw authFailed(server, `its ${what} is at ${shown(url)}, where nobody is sent by it`);
}

/** JSON from an allowed address: no redirects, 1 MB, 5 s. Undefined for any other status than 200. */
export async function fetchJson(
  server: string,
  send: Fetch,
  url: URL,
  init: RequestInit = {},
): Promise<{ status: number; body: Readonly<Record<string, unknown>> | undefined }> {
  const fail = (why: string) => authFailed(server, `${shown(url)} ${why}`);
  let response: Response;
  let read: { bytes: Buffer; whole: boolean };
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    response = await send(url, { ...init, redirect: 'manual', signal });
    read = await readCapped(response, MAX_BYTES);
  } catch (error) {
    const { name } = error as { name?: string };
    throw fail(
      name === 'TimeoutError' ? `gave no answer within ${TIMEOUT_MS / 1_000} s` : 'cannot be reached',
    );
  }
  if (response.status >= 300 && response.status < 400) throw fail('redirects, which is not followed');
  if (!read.whole) throw fail('answered with more than 1 MB');
  return { status: response.status, body: jsonObject(read.bytes.toString('utf8')) };
}

/** What of an address may be shown: the scheme alone where it is no web address. */
const shown = (url: URL): string =>
  url.origin === 'null' ? url.protocol : `${url.origin}${url.pathname}`.slice(0, 200);

function isLoopbackHost(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/** Addresses that mean this machine or its network. A name behind https must prove itself by its certificate. */
export function isPrivate(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '');
  if (bare === 'localhost' || bare.endsWith('.localhost') || bare.endsWith('.internal')) return true;
  if (isIP(bare) === 4)
    return /^(?:0|10|127|169\.254|192\.168|172\.(?:1[6-9]|2\d|3[01])|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7]))\./.test(
      bare,
    );
  return isIP(bare) === 6 && /^(?:::|fe[89ab]|f[cd])/i.test(bare);
}
