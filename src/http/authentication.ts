import type { MiddlewareHandler } from 'hono';
import { RuntimeError } from '../core/errors.js';
import { refuseAsRpc } from './answers.js';
import { type BearerEnv, bearerGuard } from './guard.js';
import { isLoopback } from './listen.js';

export interface Authentication {
  readonly verifyToken?: ((token: string) => Promise<{ principal: string } | undefined>) | undefined;
  readonly requireToken?: boolean | undefined;
}

/** On loopback, whoever can connect without a token is taken for the person at this machine. */
const LOCAL = 'local';

const tokenNeeded = (options: Authentication) => options.requireToken ?? options.verifyToken !== undefined;

/** Finds out who asks. A token that is sent must be valid, even where none is needed. */
export function authentication(options: Authentication): MiddlewareHandler<BearerEnv> {
  const { verifyToken } = options;
  const bearer = bearerGuard({
    verify: async (token) => (await verifyToken?.(token))?.principal,
    refuse: refuseAsRpc,
  });
  return async (c, next) => {
    const anonymous = c.req.header('authorization') === undefined || verifyToken === undefined;
    if (tokenNeeded(options) || !anonymous) return bearer(c, next);
    c.set('principal', LOCAL);
    return next();
  };
}

/** @throws RuntimeError UNAUTHORIZED when other machines could connect and no token would be asked of them. */
export function mustBeSafe(host: string, options: Authentication): void {
  if (isLoopback(host) || (options.verifyToken !== undefined && tokenNeeded(options))) return;
  throw new RuntimeError(
    'UNAUTHORIZED',
    `Listening on ${host} without a token would let every machine that reaches it run tools here.`,
    { hint: 'Set a bearer token for the HTTP face, or listen on 127.0.0.1.', data: { host } },
  );
}
