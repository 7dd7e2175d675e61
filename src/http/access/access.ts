import type { PolicyRule, Restriction } from '../../core/policy.js';

/** What a token stands for. */
export interface Access {
  /** Who holds it: tasks and content belong to the holder, whichever token was shown. */
  readonly principal: string;
  readonly restriction?: Restriction | undefined;
  /** Whether it still counts: asked now and then while a stream of its holder is open. Default: for ever. */
  readonly isValid?: (() => Promise<boolean>) | undefined;
}

/** Why a token is refused, by RFC 6750, section 3.1. */
export type Refusal = 'invalid_token' | 'insufficient_scope';

export type Verdict = Access | Refusal;

/**
 * To whom a session belongs: the holder with these rights. Another token of the same holder that may do something
 * else is somebody else here.
 */
export const ownerOf = ({ principal, restriction }: Access): string =>
  restriction === undefined ? principal : JSON.stringify([principal, restriction]);

export interface Scope {
  /** Globs of server names. */
  readonly servers: readonly string[];
  /** Globs `server/tool`. */
  readonly tools: readonly string[];
  readonly readOnly: boolean;
}

/** @returns undefined for a scope that holds everything. */
export function restrictionOf({ servers, tools, readOnly }: Scope): Restriction | undefined {
  const reads = readOnly ? { readOnly: true } : {};
  const rules: PolicyRule[] = [
    ...servers.map((server) => ({ server, ...reads })),
    ...tools.map((pattern) => {
      // The first slash ends the server's part: names of tools may have more of them.
      const slash = pattern.indexOf('/');
      return slash < 0
        ? { server: pattern, ...reads }
        : { server: pattern.slice(0, slash), tool: pattern.slice(slash + 1), ...reads };
    }),
  ];
  if (rules.length > 0) return { allow: rules };
  return readOnly ? { allow: [reads] } : undefined;
}
