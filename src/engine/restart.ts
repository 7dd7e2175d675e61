import type { RestartPolicy } from '../core/server.js';

/** How a server that ended by itself is treated; times in ms. One set for all servers, as data. */
export interface RestartRules {
  /** So many restarts within the window are granted, then it has failed until someone asks for it. */
  readonly budget: number;
  readonly windowMs: number;
  /** The delay before the second restart; the first is immediate. Doubled each time. */
  readonly baseMs: number;
  readonly capMs: number;
  /** After so long without an end, what was before is forgotten. */
  readonly healthyMs: number;
}

export const restartRules: RestartRules = {
  budget: 5,
  windowMs: 120_000,
  baseMs: 250,
  capMs: 30_000,
  healthyMs: 60_000,
};

/** A remote server is never given up: it comes back without us, and asking it once a minute costs nothing. */
export const remoteRules: RestartRules = {
  budget: Number.POSITIVE_INFINITY,
  windowMs: 900_000,
  baseMs: 250,
  capMs: 60_000,
  healthyMs: 60_000,
};

/** The same for a remote server whose session stands, but which refuses requests or cannot be reached; times in ms. */
export const breakerRules = {
  /** So many failures in a row (5xx, 429, no connection), and nothing is sent for a while. */
  threshold: 3,
  /** How long at first; doubled each time the one request that tries it then fails as well. */
  pauseMs: 5_000,
  /** No pause is longer, also where `Retry-After` asks for more. */
  maxPauseMs: 60_000,
  /** Who comes waits this long for what ends soon: a back-off, or that request. Else it fails fast and hears until when. */
  patienceMs: 1_000,
  /** A refusal comes at once: a request that was not refused within this time was taken, however long it works. */
  takenMs: 5_000,
  /** A server that needs authentication is tried again by calls at most this often. */
  authAgainMs: 3_000,
} as const;

/** The unexpected ends of one server that still count, oldest first. */
export type EndHistory = readonly number[];

export type RestartDecision =
  | { readonly action: 'restart'; readonly delayMs: number; readonly attempts: number }
  | { readonly action: 'give-up'; readonly attempts: number };

/**
 * Decides after an unexpected end. Pure: time and chance come from outside.
 * @param upMs how long the server had been ready; 0 when it never was.
 */
export function afterEnd(
  history: EndHistory,
  facts: {
    readonly now: number;
    readonly upMs: number;
    readonly policy: RestartPolicy;
    readonly final: boolean;
    readonly random: number;
    /** How long the server itself asked to be left alone, ms. */
    readonly holdMs?: number | undefined;
  },
  rules: RestartRules = restartRules,
): { history: EndHistory; decision: RestartDecision } {
  const kept = facts.upMs >= rules.healthyMs ? [] : history.filter((at) => at > facts.now - rules.windowMs);
  const next = [...kept, facts.now];
  const attempts = next.length;
  if (facts.final || facts.policy === 'never' || attempts > rules.budget) {
    return { history: next, decision: { action: 'give-up', attempts } };
  }
  const full = attempts === 1 ? 0 : Math.min(rules.capMs, rules.baseMs * 2 ** (attempts - 2));
  // Up to a quarter is taken off, so that servers that fell together do not rise together; gaps still grow.
  const delayMs = Math.round(full * (1 - facts.random / 4));
  const holdMs = Math.min(facts.holdMs ?? 0, rules.capMs);
  return {
    history: next,
    decision: { action: 'restart', delayMs: Math.max(delayMs, holdMs), attempts },
  };
}
