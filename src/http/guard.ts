import { createHash, timingSafeEqual } from 'node:crypto';
import type { Context, Env, MiddlewareHandler } from 'hono';
import { RuntimeError } from '../core/errors.js';

/** Names under which a program on this machine reaches a loopback listener. */
export const LOOPBACK_HOSTS: readonly string[] = ['localhost', '127.0.0.1', '[::1]'];

/** How a face words a refusal; the default is `{error: {code, message, hint?, retryable}}`. */
export type Refuse = (c: Context, status: 401 | 403, error: RuntimeError) => Response;

export interface HostGuardOptions {
  /** `localhost` (any port) or `localhost:8000` (that port alone). IPv6 in brackets. Default: the loopback names. */
  readonly allowedHosts?: readonly string[] | undefined;
  /** `https://app.example` (exactly that origin) or `localhost` (any scheme and port). Default: the loopback names. */
  readonly allowedOrigins?: readonly string[] | undefined;
  readonly refuse?: Refuse | undefined;
}

/** Why a request is not for us, by its Host and Origin; undefined when it is. */
export type HostCheck = (host: string | undefined, origin: string | undefined) => RuntimeError | undefined;

/**
 * Finds requests whose Host is not ours (DNS rebinding) or whose Origin is a foreign page. A missing Origin is fine:
 * programs send none. `Origin: null` counts as foreign unless it is listed.
 */
export function hostCheck(options: Omit<HostGuardOptions, 'refuse'> = {}): HostCheck {
  const hosts = new Set((options.allowedHosts ?? LOOPBACK_HOSTS).map((host) => host.toLowerCase()));
  const origins = new Set((options.allowedOrigins ?? LOOPBACK_HOSTS).map((origin) => origin.toLowerCase()));
  // Most requests are of the same client as the one before.
  let allowed: { readonly host: string | undefined; readonly origin: string | undefined } | undefined;
  return (host, origin) => {
    if (allowed !== undefined && allowed.host === host && allowed.origin === origin) return undefined;
    if (!hostAllowed(host, hosts)) {
      return new RuntimeError('FORBIDDEN', 'The Host header names another machine than this one.');
    }
    if (!originAllowed(origin, origins)) {
      return new RuntimeError('FORBIDDEN', 'Requests of this web origin are not allowed.');
    }
    allowed = { host, origin };
    return undefined;
  };
}

/** Refuses what `hostCheck` finds. */
export const hostGuard = (options: HostGuardOptions = {}): MiddlewareHandler =>
  guard(hostCheck(options), options.refuse ?? refuseAsError);

/** Refuses (403) what a check finds. */
export function guard(check: HostCheck, refuse: Refuse): MiddlewareHandler {
  return async (c, next) => {
    const error = check(c.req.header('host'), c.req.header('origin'));
    return error === undefined ? next() : refuse(c, 403, error);
  };
}

export interface BearerGuardOptions {
  /** Gives the principal that the token stands for, or undefined. Compare with `sameSecret`. */
  readonly verify: (token: string) => string | undefined | Promise<string | undefined>;
  readonly refuse?: Refuse | undefined;
}

/** What the bearer guard leaves for later handlers: `c.get('principal')`. */
export interface BearerEnv extends Env {
  Variables: { principal: string };
}

/** Refuses requests without a valid `Authorization: Bearer` token (401). */
export function bearerGuard(options: BearerGuardOptions): MiddlewareHandler<BearerEnv> {
  const refuse = options.refuse ?? refuseAsError;
  return async (c, next) => {
    const token = bearerToken(c.req.header('authorization'));
    const principal = token === undefined ? undefined : await options.verify(token);
    if (principal === undefined) {
      c.header('WWW-Authenticate', token === undefined ? 'Bearer' : 'Bearer error="invalid_token"');
      return refuse(c, 401, new RuntimeError('UNAUTHORIZED', 'The request carries no valid bearer token.'));
    }
    c.set('principal', principal);
    return next();
  };
}

/** Compares in a time that depends on neither content nor length: both sides are hashed first. */
export function sameSecret(given: string, expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text, 'utf8').digest();
  return timingSafeEqual(digest(given), digest(expected));
}

/** The token of an Authorization header; undefined when it is of another kind. */
export function bearerToken(header: string | undefined): string | undefined {
  const match = header === undefined ? null : /^bearer +([^\s]+) *$/i.exec(header);
  return match?.[1];
}

function hostAllowed(header: string | undefined, allowed: ReadonlySet<string>): boolean {
  const match = /^(\[[0-9a-f:.]+\]|[^:\s/@?#]+)(?::(\d{1,5}))?$/i.exec(header ?? '');
  if (!match || Number(match[2] ?? 0) > 65_535) return false;
  return allowed.has(match[0].toLowerCase()) || allowed.has((match[1] ?? '').toLowerCase());
}

function originAllowed(header: string | undefined, allowed: ReadonlySet<string>): boolean {
  if (header === undefined) return true;
  const origin = header.toLowerCase();
  if (allowed.has(origin)) return true;
  try {
    const url = new URL(origin);
    // An origin carries no path; whatever does was not written by a browser.
    return url.origin === origin && allowed.has(url.hostname);
  } catch {
    return false;
  }
}

const refuseAsError: Refuse = (c, status, error) => c.json({ error: error.toJSON() }, status);
