import type { Env, MiddlewareHandler } from 'hono';
import { RuntimeError } from '../core/errors.js';
import type { Access, Verdict } from './access/access.js';
import { refusal } from './answers.js';
import { bearerToken } from './guard.js';
import type { Handed } from './handed.js';
import { type Bindings, isLoopback } from './listen.js';
import { RateLimit } from './rate-limit.js';

export interface Authentication {
  /** Who holds the token, or why it is refused; undefined is `invalid_token`. Compares in constant time. */
  readonly verifyToken?: ((token: string) => Promise<Verdict | undefined>) | undefined;
  /** Whether a request without a token is refused; a function is asked for each. Default: when `verifyToken` is given. */
  readonly requireToken?: boolean | (() => Promise<boolean>) | undefined;
  /** Where clients find out who gives tokens for us (RFC 9728, section 5.1). */
  readonly resourceMetadata?: string | undefined;
  /** Requests a minute of each holder of a token; 0: as many as come. Default 6000. */
  readonly ratePerMinute?: number | undefined;
}

/** What authentication leaves for handlers: who asks. */
export interface AccessEnv extends Env {
  Bindings: Bindings<Handed>;
  Variables: { access: Access };
}

/** On loopback, whoever can connect without a token is taken for the person at this machine. */
const LOCAL: Access = { principal: 'local' };
const RATE_PER_MINUTE = 6_000;
/** Wrong tokens of one address: more is no mistake. */
const FAILURES_PER_MINUTE = 600;

const isTokenNeeded = async ({ requireToken, verifyToken }: Authentication): Promise<boolean> =>
  typeof requireToken === 'function' ? requireToken() : (requireToken ?? verifyToken !== undefined);

/** How a request is answered that may not go on, or who asks. Rejects when that cannot be found out. */
export type Authenticate = (authorization: string | undefined, address: string) => Promise<Access | Response>;

/** Finds out who asks, and counts it. A token that is sent must be valid, even where none is needed. */
export function authenticator(options: Authentication): Authenticate {
  const { verifyToken, ratePerMinute = RATE_PER_MINUTE } = options;
  const rate = ratePerMinute > 0 ? new RateLimit(ratePerMinute) : undefined;
  const failures = new RateLimit(FAILURES_PER_MINUTE);
  return async (authorization, address) => {
    // Without anything that could check it a token says nothing.
    if (verifyToken === undefined || authorization === undefined) {
      return (await isTokenNeeded(options)) ? refused('no_token', options.resourceMetadata) : LOCAL;
    }
    const token = bearerToken(authorization);
    const verdict = token === undefined ? undefined : await verifyToken(token);
    if (typeof verdict !== 'object') {
      const wait = failures.take(address);
      return wait > 0 ? tooMany(wait) : refused(verdict ?? 'invalid_token', options.resourceMetadata);
    }
    const wait = rate?.take(verdict.principal) ?? 0;
    return wait > 0 ? tooMany(wait) : verdict;
  };
}

/** Lets nobody go on who may not, and says who asks. What was found out before is not asked, or counted, again. */
export function authentication(authenticate: Authenticate): MiddlewareHandler<AccessEnv> {
  return async (c, next) => {
    const address = c.env?.incoming?.socket?.remoteAddress ?? '';
    const verdict = c.env?.handed?.verdict ?? (await authenticate(c.req.header('authorization'), address));
    if (verdict instanceof Response) return verdict;
    c.set('access', verdict);
    return next();
  };
}

/** @throws RuntimeError UNAUTHORIZED when other machines could connect and no token would be asked of them. */
export async function mustBeSafe(host: string, options: Authentication): Promise<void> {
  if (isLoopback(host) || (options.verifyToken !== undefined && (await isTokenNeeded(options)))) return;
  throw new RuntimeError(
    'UNAUTHORIZED',
    `Listening on ${host} without a token would let every machine that reaches it run tools here.`,
    {
      hint: 'Make one with `mcp-runtime token create`, set MCP_RUNTIME_TOKEN, or listen on 127.0.0.1.',
      data: { host },
    },
  );
}

function refused(why: 'no_token' | Exclude<Verdict, Access>, resourceMetadata: string | undefined): Response {
  const says = [
    ...(why === 'no_token' ? [] : [`error="${why}"`]),
    ...(resourceMetadata === undefined ? [] : [`resource_metadata="${resourceMetadata}"`, 'scope="mcp"']),
  ].join(', ');
  const headers = { 'WWW-Authenticate': says === '' ? 'Bearer' : `Bearer ${says}` };
  if (why === 'insufficient_scope')
    return refusal(403, 'The token does not hold what is needed here.', { headers });
  return refusal(401, 'The request carries no valid bearer token.', { headers });
}

const tooMany = (seconds: number): Response =>
  refusal(429, 'Too many requests; try again later.', { headers: { 'Retry-After': String(seconds) } });
