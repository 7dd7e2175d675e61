import type { Logger } from '../../lib/log.js';
import { restrictionOf, type Verdict } from './access.js';
import { IssuerKeys } from './issuer-keys.js';
import { type Claims, parseToken } from './json-web-token.js';

export interface OAuthOptions {
  /** As the `iss` of tokens has it, exactly. */
  readonly issuer: string;
  /** Our own address as clients know it: the audience of tokens for us (RFC 8707). */
  readonly resource: string;
  /** Undefined: as the issuer's metadata say. */
  readonly jwksUrl?: string | undefined;
}

/** The scope without which a token is not for us; further words after it make it narrower. */
const SCOPE = 'mcp';
const SKEW_S = 60;

/** We as an OAuth 2.1 resource server (2025-11-25, Authorization): tokens of an issuer are checked, none are made. */
export class ResourceServer {
  readonly #options: OAuthOptions;
  readonly #keys: IssuerKeys;

  constructor(options: OAuthOptions, logger: Logger) {
    this.#options = options;
    this.#keys = new IssuerKeys(options.issuer, options.jwksUrl, logger);
  }

  /** RFC 9728, section 2. */
  get metadata(): object {
    const { resource, issuer } = this.#options;
    return {
      resource,
      authorization_servers: [issuer],
      scopes_supported: [SCOPE, `${SCOPE}:read-only`],
      bearer_methods_supported: ['header'],
      resource_name: 'mcp-runtime',
    };
  }

  /** RFC 9728, section 3.1: the well-known part stands between host and path. */
  get metadataUrl(): string {
    const { origin, pathname } = new URL(this.#options.resource);
    return `${origin}/.well-known/oauth-protected-resource${pathname === '/' ? '' : pathname}`;
  }

  /** Never rejects. */
  async verify(token: string): Promise<Verdict> {
    const parsed = parseToken(token);
    // The issuer is looked at before its keys are asked for: what is not for us costs nobody a request.
    if (!parsed || !this.#isForUs(parsed.claims)) return 'invalid_token';
    const keys = await this.#keys.find(parsed.kid);
    if (!keys.some((key) => parsed.verifiedBy(key))) return 'invalid_token';
    return this.#access(parsed.claims);
  }

  #isForUs({ iss, aud, exp, nbf }: Claims): boolean {
    const { issuer, resource } = this.#options;
    const now = Date.now() / 1_000;
    const audiences = Array.isArray(aud) ? aud : [aud];
    return (
      iss === issuer &&
      audiences.includes(resource) &&
      typeof exp === 'number' &&
      exp + SKEW_S > now &&
      (nbf === undefined || (typeof nbf === 'number' && nbf - SKEW_S <= now))
    );
  }

  #access({ sub, client_id, scope, exp }: Claims): Verdict {
    const holder = sub ?? client_id;
    // It becomes part of names and logs.
    if (typeof holder !== 'string' || !/^[\x21-\x7e]{1,200}$/.test(holder)) return 'invalid_token';
    const words = typeof scope === 'string' ? scope.split(' ') : [];
    const own = words.filter((word) => word === SCOPE || word.startsWith(`${SCOPE}:`));
    if (own.length === 0) return 'insufficient_scope';
    const after = (prefix: string) =>
      own.filter((word) => word.startsWith(prefix)).map((word) => word.slice(prefix.length));
    const known = [`${SCOPE}:read-only`, SCOPE];
    const [servers, tools] = [after(`${SCOPE}:server:`), after(`${SCOPE}:tool:`)];
    // A word that is not understood may have been meant to make it narrower.
    if (own.length !== servers.length + tools.length + own.filter((word) => known.includes(word)).length)
      return 'insufficient_scope';
    return {
      principal: `oauth:${holder}`,
      restriction: restrictionOf({ servers, tools, readOnly: own.includes(`${SCOPE}:read-only`) }),
      isValid: async () => ((exp as number) + SKEW_S) * 1_000 > Date.now(),
    };
  }
}
