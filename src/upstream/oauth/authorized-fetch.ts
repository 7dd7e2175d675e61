import type { RemoteDefinition } from '../../core/server.js';
import type { Logger } from '../../lib/log.js';
import { scopesOfChallenge } from './discovery.js';
import type { Fetch } from './safe-fetch.js';
import { requestTokens } from './token-request.js';
import type { Grant, TokenStore } from './token-store.js';

/** How long one waits for another process that refreshes the same tokens, ms. */
const REFRESH_MS = 20_000;
const MAX_SCOPES = 100;

/**
 * A fetch that shows a server the token its user was granted, and gets a new one when that has run out: once for all
 * who wait, in this process and in others, since servers take a refresh token that comes twice for a stolen one
 * (anthropics/claude-code#84440). A definition with an `authorization` header of its own is left alone.
 */
export function authorizedFetch(
  definition: RemoteDefinition,
  send: Fetch,
  store: TokenStore,
  logger: Logger,
): Fetch {
  const { name: server, url, headers } = definition;
  if (Object.keys(headers).some((name) => name.toLowerCase() === 'authorization')) return send;
  const owner = { server, url };
  let refreshing: Promise<Grant | undefined> | undefined;

  const refresh = (stale: string) => {
    refreshing ??= store
      .exclusively(owner, AbortSignal.timeout(REFRESH_MS), () => renewed(stale))
      .finally(() => {
        refreshing = undefined;
      });
    return refreshing;
  };

  const renewed = async (stale: string): Promise<Grant | undefined> => {
    const grant = await store.load(owner);
    if (grant?.accessToken === undefined) return undefined;
    // Another process was faster.
    if (grant.accessToken !== stale) return grant;
    const { refreshToken } = grant;
    if (refreshToken === undefined) return undefined;
    const fields = { grant_type: 'refresh_token', refresh_token: refreshToken };
    const answer = await requestTokens(server, grant, fields, send);
    if (answer.kind === 'granted') {
      await store.save(owner, answer.grant);
      return answer.grant;
    }
    logger.warn({ server, why: answer.why }, 'the refresh token is refused; the server needs authentication');
    const { accessToken: _a, refreshToken: _r, expiresAt: _e, ...rest } = grant;
    await store.save(owner, rest);
    return undefined;
  };

  /** What the token lacks is asked for when the person authorises the server the next time. */
  const remember = async (grant: Grant | undefined, challenge: string | null) => {
    const wanted = /\binsufficient_scope\b/.test(challenge ?? '') ? scopesOfChallenge(challenge) : undefined;
    const before = grant?.scopes ?? [];
    const scopes = [...new Set([...before, ...(wanted ?? [])])];
    if (!grant || scopes.length === before.length || scopes.length > MAX_SCOPES) return;
    await store.exclusively(owner, AbortSignal.timeout(REFRESH_MS), async () => {
      const now = await store.load(owner);
      if (now) await store.save(owner, { ...now, scopes });
    });
  };

  return async (target, init) => {
    let grant = await store.load(owner);
    if (grant?.accessToken !== undefined && (grant.expiresAt ?? Number.POSITIVE_INFINITY) <= Date.now())
      grant = (await refresh(grant.accessToken)) ?? grant;
    const token = grant?.accessToken;
    if (token === undefined) return send(target, init);
    const response = await send(target, withToken(init, token));
    if (response.status === 403) await remember(grant, response.headers.get('www-authenticate'));
    if (response.status !== 401) return response;
    const next = await refresh(token);
    if (next?.accessToken === undefined || next.accessToken === token) return response;
    void response.body?.cancel().catch(() => {});
    // A refused request was not executed.
    return send(target, withToken(init, next.accessToken));
  };
}

function withToken(init: RequestInit | undefined, token: string): RequestInit {
  const headers = new Headers(init?.headers);
  headers.set('authorization', `Bearer ${token}`);
  return { ...init, headers };
}
