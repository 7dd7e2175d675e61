import { authFailed, type Fetch, fetchJson } from './safe-fetch.js';
import type { Grant } from './token-store.js';

/** What became of a request for tokens. `refused`: the grant is worth nothing any more. */
export type TokenAnswer =
  | { readonly kind: 'granted'; readonly grant: Grant }
  | { readonly kind: 'refused'; readonly why: string };

/**
 * Asks the token endpoint of a grant.
 * @throws RuntimeError SERVER_NEEDS_AUTH when there was no answer that means anything; the grant may still be good.
 */
export async function requestTokens(
  server: string,
  grant: Grant,
  fields: Readonly<Record<string, string>>,
  send: Fetch,
): Promise<TokenAnswer> {
  const { clientId, clientSecret, resource } = grant;
  const form = new URLSearchParams({ ...fields, resource });
  const basic = clientSecret !== undefined && grant.authMethod === 'client_secret_basic';
  if (!basic) form.set('client_id', clientId);
  if (!basic && clientSecret !== undefined) form.set('client_secret', clientSecret);
  const { status, body } = await fetchJson(server, send, new URL(grant.tokenEndpoint), {
    method: 'POST',
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      accept: 'application/json',
      ...(basic ? { authorization: basicAuth(clientId, clientSecret) } : {}),
    },
    body: form.toString(),
  });
  const token = body?.['access_token'];
  if (status === 200 && typeof token === 'string' && /^[\x21-\x7e]+$/.test(token)) {
    const seconds = Number(body?.['expires_in']);
    const refresh = body?.['refresh_token'];
    return {
      kind: 'granted',
      grant: {
        ...grant,
        accessToken: token,
        // A server that does not rotate leaves the old one good.
        refreshToken: typeof refresh === 'string' ? refresh : grant.refreshToken,
        expiresAt: Number.isFinite(seconds) && seconds > 0 ? Date.now() + seconds * 1_000 : undefined,
      },
    };
  }
  const error = body?.['error'];
  if (status === 400 && (error === 'invalid_grant' || error === 'invalid_client'))
    return { kind: 'refused', why: error };
  if (status === 401) return { kind: 'refused', why: 'invalid_client' };
  throw authFailed(server, `its token endpoint answered with HTTP ${status}`, 'Try again later.');
}

/** Both parts are form-encoded first (RFC 6749, 2.3.1). */
function basicAuth(id: string, secret: string): string {
  const encoded = [id, secret].map((part) => encodeURIComponent(part).replaceAll('%20', '+'));
  return `Basic ${Buffer.from(encoded.join(':')).toString('base64')}`;
}
