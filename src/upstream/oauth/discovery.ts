import { allowedUrl, authFailed, type Fetch, fetchJson } from './safe-fetch.js';

/** Where tokens for a server come from. */
export interface AuthorizationServer {
  readonly issuer: string;
  readonly authorizationEndpoint: URL;
  readonly tokenEndpoint: URL;
  readonly registrationEndpoint: URL | undefined;
  /** What the token is for (RFC 8707). */
  readonly resource: string;
  readonly scopes: readonly string[];
  /** How clients may show who they are at the token endpoint; empty: not told. */
  readonly authMethods: readonly string[];
  /** Whether its answers always say whose they are (RFC 9207). */
  readonly saysIssuer: boolean;
}

/**
 * Protected resource metadata (RFC 9728), then that of its authorization server (RFC 8414, or OpenID Connect). Every
 * address that a document names is judged before it is used.
 * @param challenge the WWW-Authenticate header of the 401.
 * @param local as of `allowedUrl`.
 * @throws RuntimeError SERVER_NEEDS_AUTH that says what was refused.
 */
export async function discover(
  server: string,
  url: URL,
  challenge: string | undefined,
  send: Fetch,
  local = false,
): Promise<AuthorizationServer> {
  const resource = await resourceMetadata(server, url, challenge, send, local);
  const [named] = Array.isArray(resource?.['authorization_servers']) ? resource['authorization_servers'] : [];
  // Servers of 2025-03-26 are their own authorization server.
  const issuer =
    named === undefined ? new URL(url.origin) : allowedUrl(server, named, url, 'authorization server', local);
  const metadata = await serverMetadata(server, issuer, send);
  const told = typeof metadata['issuer'] === 'string' ? metadata['issuer'] : '';
  if (withoutSlash(told) !== withoutSlash(String(named ?? url.origin)))
    throw authFailed(server, `the authorization server at ${issuer.origin} calls itself another`);
  const methods = metadata['code_challenge_methods_supported'];
  if (!Array.isArray(methods) || !methods.includes('S256'))
    throw authFailed(server, 'its authorization server does not offer PKCE with S256');
  const endpoint = (name: string) =>
    allowedUrl(server, metadata[name], url, name.replaceAll('_', ' '), local);
  return {
    issuer: told,
    authorizationEndpoint: endpoint('authorization_endpoint'),
    tokenEndpoint: endpoint('token_endpoint'),
    registrationEndpoint:
      metadata['registration_endpoint'] === undefined ? undefined : endpoint('registration_endpoint'),
    resource: typeof resource?.['resource'] === 'string' ? resource['resource'] : url.href,
    scopes: withOffline(scopesOf(challenge, resource), textsOf(metadata['scopes_supported'])),
    authMethods: textsOf(metadata['token_endpoint_auth_methods_supported']),
    saysIssuer: metadata['authorization_response_iss_parameter_supported'] === true,
  };
}

async function resourceMetadata(
  server: string,
  url: URL,
  challenge: string | undefined,
  send: Fetch,
  local: boolean,
): Promise<Readonly<Record<string, unknown>> | undefined> {
  const known = '/.well-known/oauth-protected-resource';
  const named = /\bresource_metadata="([^"]{1,2000})"/i.exec(challenge ?? '')?.[1];
  const path = url.pathname === '/' ? '' : url.pathname;
  const places = [`${url.origin}${known}${path}`, `${url.origin}${known}`];
  // On this machine a challenge may name only where such documents stand: any other path is somebody's errand.
  const prefix = url.protocol === 'https:' || local ? '/' : known;
  if (named !== undefined && isAt(named, url, prefix)) places.unshift(named);
  for (const place of new Set(places)) {
    const { status, body } = await fetchJson(server, send, new URL(place));
    if (status !== 200 || !body) continue;
    if (!isFor(body['resource'], url))
      throw authFailed(server, 'what it says of itself is for another resource');
    return body;
  }
  return undefined;
}

async function serverMetadata(
  server: string,
  issuer: URL,
  send: Fetch,
): Promise<Readonly<Record<string, unknown>>> {
  const path = withoutSlash(issuer.pathname);
  const places = [
    `${issuer.origin}/.well-known/oauth-authorization-server${path}`,
    `${issuer.origin}/.well-known/openid-configuration${path}`,
    `${issuer.origin}${path}/.well-known/openid-configuration`,
  ];
  for (const place of new Set(places)) {
    const { status, body } = await fetchJson(server, send, new URL(place));
    if (status === 200 && body) return body;
  }
  throw authFailed(server, `the authorization server at ${issuer.origin} does not say how it is used`);
}

function isAt(text: string, url: URL, known: string): boolean {
  try {
    const named = new URL(text);
    return named.origin === url.origin && named.pathname.startsWith(known);
  } catch {
    return false;
  }
}

/** The server itself, or a part of its origin that it lies in. */
function isFor(resource: unknown, url: URL): boolean {
  try {
    const named = new URL(String(resource));
    const base = withoutSlash(named.pathname);
    return named.origin === url.origin && (url.pathname === base || url.pathname.startsWith(`${base}/`));
  } catch {
    return false;
  }
}

function scopesOf(
  challenge: string | undefined,
  resource: Readonly<Record<string, unknown>> | undefined,
): readonly string[] {
  return scopesOfChallenge(challenge) ?? textsOf(resource?.['scopes_supported']);
}

/** The scopes that a WWW-Authenticate header names, where it names any. */
export function scopesOfChallenge(challenge: string | null | undefined): readonly string[] | undefined {
  const asked = /\bscope="([^"]{1,1000})"/i.exec(challenge ?? '')?.[1];
  return asked?.split(' ').filter((one) => one !== '');
}

/** Without it some authorities give no refresh token, and the person is asked again when the token has run out. */
const withOffline = (scopes: readonly string[], offered: readonly string[]): readonly string[] =>
  scopes.length > 0 && offered.includes(OFFLINE) ? [...new Set([...scopes, OFFLINE])] : scopes;

const OFFLINE = 'offline_access';

const textsOf = (value: unknown): readonly string[] =>
  Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];

const withoutSlash = (text: string): string => text.replace(/\/+$/, '');
