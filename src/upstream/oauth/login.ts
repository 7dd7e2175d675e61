import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { RemoteDefinition } from '../../core/server.js';
import { challengeOf } from './challenge.js';
import { type AuthorizationServer, discover } from './discovery.js';
import { authFailed, type Fetch, fetchJson } from './safe-fetch.js';
import { requestTokens } from './token-request.js';
import type { Grant, TokenStore } from './token-store.js';

export interface LoginOptions {
  readonly store: TokenStore;
  readonly send: Fetch;
  readonly signal: AbortSignal;
  /** Shows the person where to go. Always http or https. */
  readonly onUrl: (url: string) => void;
  /** A client that was registered by hand; otherwise one is registered. */
  readonly client?: { readonly id: string; readonly secret?: string | undefined } | undefined;
  readonly scope?: string | undefined;
  /** A server on this machine may name an authorization server on this machine. */
  readonly allowLocal?: boolean | undefined;
}

/**
 * Gets tokens for a remote server from the person who sits there (OAuth 2.1: authorization code with PKCE), and keeps
 * them. @returns false when the server asks for nothing.
 * @throws RuntimeError SERVER_NEEDS_AUTH, or what aborts the signal.
 */
export async function login(definition: RemoteDefinition, options: LoginOptions): Promise<boolean> {
  const { name: server } = definition;
  const { send, store, signal } = options;
  const url = new URL(definition.url);
  const challenge = await challengeOf(definition, send);
  if (challenge === undefined) return false;
  const authority = await discover(server, url, challenge, send, options.allowLocal);
  const callback = await listenForCode(server, signal);
  try {
    const client = options.client ?? (await register(server, authority, callback.redirectUri, send));
    const verifier = randomBytes(32).toString('base64url');
    const state = randomBytes(24).toString('base64url');
    const target = new URL(authority.authorizationEndpoint);
    const before = await store.load({ server, url: definition.url });
    const known = before?.tokenEndpoint === authority.tokenEndpoint.href ? (before.scopes ?? []) : [];
    const scope = options.scope ?? [...new Set([...known, ...authority.scopes])].join(' ');
    for (const [key, value] of Object.entries({
      response_type: 'code',
      client_id: client.id,
      redirect_uri: callback.redirectUri,
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
      state,
      resource: authority.resource,
      ...(scope === '' ? {} : { scope }),
    }))
      target.searchParams.set(key, value);
    options.onUrl(target.href);
    const code = await callback.code(state, authority);
    const grant: Grant = {
      tokenEndpoint: authority.tokenEndpoint.href,
      resource: authority.resource,
      clientId: client.id,
      clientSecret: client.secret,
      authMethod: methodFor(authority),
      scopes: scope === '' ? [] : scope.split(' '),
    };
    const fields = {
      grant_type: 'authorization_code',
      code,
      code_verifier: verifier,
      redirect_uri: callback.redirectUri,
    };
    const answer = await requestTokens(server, grant, fields, send);
    if (answer.kind === 'refused') throw authFailed(server, `the code was refused (${answer.why})`);
    await store.save({ server, url: definition.url }, answer.grant);
    return true;
  } finally {
    callback.close();
  }
}

/** Dynamic client registration (RFC 7591). */
async function register(
  server: string,
  { registrationEndpoint, authMethods }: AuthorizationServer,
  redirectUri: string,
  send: Fetch,
): Promise<{ id: string; secret?: string | undefined }> {
  if (!registrationEndpoint)
    throw authFailed(
      server,
      'its authorization server registers no clients by itself',
      'Register one there by hand and give it with --client-id.',
    );
  const { status, body } = await fetchJson(server, send, registrationEndpoint, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    body: JSON.stringify({
      client_name: 'mcp-runtime',
      application_type: 'native',
      redirect_uris: [redirectUri],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      // A program on a person's machine keeps no secret; some authorities give out clients with one only.
      token_endpoint_auth_method:
        authMethods.length === 0 || authMethods.includes('none') ? 'none' : methodFor({ authMethods }),
    }),
  });
  const id = body?.['client_id'];
  const secret = body?.['client_secret'];
  if ((status !== 200 && status !== 201) || typeof id !== 'string')
    throw authFailed(server, `no client could be registered (HTTP ${status})`);
  return { id, ...(typeof secret === 'string' ? { secret } : {}) };
}

/** How a client with a secret shows it. */
const methodFor = ({ authMethods }: Pick<AuthorizationServer, 'authMethods'>) =>
  authMethods.includes('client_secret_basic') && !authMethods.includes('client_secret_post')
    ? 'client_secret_basic'
    : 'client_secret_post';

interface Callback {
  readonly redirectUri: string;
  /** The code that comes back with our state; anything else is answered and ignored. */
  code(state: string, authority: Pick<AuthorizationServer, 'issuer' | 'saysIssuer'>): Promise<string>;
  close(): void;
}

/** Listens on a port of this machine for the browser to come back. */
async function listenForCode(server: string, signal: AbortSignal): Promise<Callback> {
  let onReturn: (query: URLSearchParams) => string = () => 'Not yet.';
  const http = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://127.0.0.1');
    const isReturn = request.method === 'GET' && url.pathname === '/callback';
    response.writeHead(isReturn ? 200 : 404, {
      'content-type': 'text/plain; charset=utf-8',
      connection: 'close',
    });
    response.end(isReturn ? onReturn(url.searchParams) : 'Not found.');
  });
  await new Promise<void>((resolve, reject) => {
    http.once('error', reject);
    http.listen(0, '127.0.0.1', resolve);
  });
  return {
    redirectUri: `http://127.0.0.1:${(http.address() as AddressInfo).port}/callback`,
    code: (state, { issuer, saysIssuer }) =>
      new Promise<string>((resolve, reject) => {
        const onAbort = () => reject(signal.reason);
        if (signal.aborted) onAbort();
        signal.addEventListener('abort', onAbort, { once: true });
        onReturn = (query) => {
          if (!isSame(query.get('state') ?? '', state)) return 'This is not the answer to our question.';
          const code = query.get('code');
          const iss = query.get('iss');
          // Who sends us to one authority must not be able to give us the code of another (RFC 9207).
          if (iss === null ? saysIssuer : iss !== issuer)
            reject(authFailed(server, 'the answer came from another authority'));
          else if (code === null)
            reject(authFailed(server, `it was refused (${(query.get('error') ?? 'no code').slice(0, 60)})`));
          else resolve(code);
          return 'You can close this window and go back to mcp-runtime.';
        };
      }),
    close: () => {
      http.close();
      http.closeAllConnections();
    },
  };
}

function isSame(given: string, expected: string): boolean {
  const [a, b] = [given, expected].map((text) => createHash('sha256').update(text).digest());
  return a !== undefined && b !== undefined && timingSafeEqual(a, b);
}
