import type { Logger } from '../../lib/log.js';
import { isLoopback } from '../listen.js';
import type { PublicJwk } from './json-web-token.js';

const FRESH_MS = 600_000;
/** A key that is not known makes us look again, but not for each token that somebody makes up. */
const AGAIN_MS = 30_000;
const PATIENCE_MS = 5_000;
const MAX_BYTES = 1_048_576;
const MAX_KEYS = 100;

/** The public keys of an authorization server, asked for when they are needed and kept for ten minutes. */
export class IssuerKeys {
  readonly #issuer: string;
  readonly #jwksUrl: string | undefined;
  readonly #logger: Logger;
  readonly #now: () => number;
  #keys: readonly PublicJwk[] = [];
  #fetchedAt = Number.NEGATIVE_INFINITY;
  #triedAt = Number.NEGATIVE_INFINITY;
  #fetching: Promise<void> | undefined;

  /** @param jwksUrl undefined: as the metadata of the issuer say. */
  constructor(
    issuer: string,
    jwksUrl: string | undefined,
    logger: Logger,
    now: () => number = () => performance.now(),
  ) {
    this.#issuer = issuer;
    this.#jwksUrl = jwksUrl;
    this.#logger = logger;
    this.#now = now;
  }

  /** Those that a token may have been signed with: of this id, or all where it names none. Never rejects. */
  async find(kid: string | undefined): Promise<readonly PublicJwk[]> {
    if (this.#now() - this.#fetchedAt > FRESH_MS) await this.#refresh();
    if (this.#matching(kid).length === 0) await this.#refresh();
    return this.#matching(kid);
  }

  #matching(kid: string | undefined): readonly PublicJwk[] {
    return kid === undefined ? this.#keys : this.#keys.filter((key) => key.kid === kid);
  }

  async #refresh(): Promise<void> {
    if (this.#now() - this.#triedAt >= AGAIN_MS) {
      this.#triedAt = this.#now();
      this.#fetching = this.#fetch().catch((error: unknown) => {
        // The last good keys stay: an issuer that is down for a while locks nobody out.
        this.#logger.warn(
          { issuer: this.#issuer, error: String(error) },
          'the keys of the issuer cannot be had',
        );
      });
    }
    await this.#fetching;
  }

  async #fetch(): Promise<void> {
    const jwks = await json(this.#jwksUrl ?? (await this.#discover()));
    const keys = (jwks as { keys?: unknown }).keys;
    if (!Array.isArray(keys)) throw new Error('there are no keys in the answer');
    this.#keys = keys
      .filter((key): key is PublicJwk => typeof key === 'object' && key !== null)
      .slice(0, MAX_KEYS);
    this.#fetchedAt = this.#now();
  }

  /** RFC 8414, section 3, and OpenID Connect Discovery, section 4, in the order in which clients of MCP look. */
  async #discover(): Promise<string> {
    const { origin, pathname } = new URL(this.#issuer);
    const path = pathname === '/' ? '' : pathname.replace(/\/$/, '');
    const places = [
      `${origin}/.well-known/oauth-authorization-server${path}`,
      `${origin}/.well-known/openid-configuration${path}`,
      `${origin}${path}/.well-known/openid-configuration`,
    ];
    for (const place of new Set(places)) {
      const metadata = (await json(place).catch(() => undefined)) as
        | { issuer?: unknown; jwks_uri?: unknown }
        | undefined;
      // RFC 8414, section 3.3: what names another issuer is no answer.
      if (metadata?.issuer === this.#issuer && typeof metadata.jwks_uri === 'string')
        return metadata.jwks_uri;
    }
    throw new Error('its metadata name no keys');
  }
}

async function json(address: string): Promise<unknown> {
  const url = new URL(address);
  const isSafe = url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname));
  if (!isSafe) throw new Error('keys are fetched by https alone');
  const response = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(PATIENCE_MS) });
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  const chunks: Uint8Array[] = [];
  let held = 0;
  for await (const chunk of response.body ?? []) {
    held += chunk.byteLength;
    if (held > MAX_BYTES) throw new Error('the answer is too long');
    chunks.push(chunk);
  }
  return JSON.parse(Buffer.concat(chunks).toString('utf8'));
}
