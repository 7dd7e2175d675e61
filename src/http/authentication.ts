import type { Context, Env, MiddlewareHandler } from 'hono';
import { RuntimeError } from '../core/errors.js';
import type { Access, Verdict } from './access/access.js';
import { refusal } from './answers.js';
import { bearerToken } from './guard.js';
import { isLoopback } from './listen.js';
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
  Bindings: {
    incoming?: { socket?: { remoteAddress?: string | undefined } };
    outgoing?: { once(event: 'close', listener: () => void): unknown };
  };
  Variables: { access: Access };
}

/** On loopback, whoever can connect without a token is taken for the person at this machine. */
const LOCAL: Access = { principal: 'local' };
const RATE_PER_MINUTE = 6_000;
/** Wrong tokens of one address: more is no mistake. */
const FAILURES_PER_MINUTE = 600;

const isTokenNeeded = async ({ requireToken, verifyToken }: Authentication): Promise<boolean> =>
  typeof requireToken === 'function' ? requireToken() : (requireToken ?? verifyToken !== undefined);

/** Finds out who asks. A token that is sent must be valid, even where none is needed. */
export function authentication(options: Authentication): MiddlewareHandler<AccessEnv> {
  const { verifyToken, ratePerMinute = RATE_PER_MINUTE } = options;
  const rate = ratePerMinute > 0 ? new RateLimit(ratePerMinute) : undefined;
  const failures = new RateLimit(FAILURES_PER_MINUTE);
  const refuse = (c: Context<AccessEnv>, why: 'no_token' | Exclude<Verdict, Access>) => {
    const wait = why === 'no_token' ? 0 : failures.take(c.env?.incoming?.socket?.remoteAddress ?? '');
    return wait > 0 ? tooMany(wait) : refused(why, options.resourceMetadata);
  };
  return async (c, next) => {
    const header = c.req.header('authorization');
    // Without anything that could check it a token says nothing.
    if (verifyToken === undefined || header === undefined) {
      if (await isTokenNeeded(options)) return refuse(c, 'no_token');
      c.set('access', LOCAL);
      return next();
    }
    const token = bearerToken(header);
    const verdict = token === undefined ? undefined : await verifyToken(token);
    if (typeof verdict !== 'object') return refuse(c, verdict ?? 'invalid_token');
    const wait = rate?.take(verdict.principal) ?? 0;
    if (wait > 0) return tooMany(wait);
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
