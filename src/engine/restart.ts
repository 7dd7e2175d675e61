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
  facts: { now: number; upMs: number; policy: RestartPolicy; final: boolean; random: number },
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
  return {
    history: next,
    decision: { action: 'restart', delayMs: Math.round(full * (1 - facts.random / 4)), attempts },
  };
}
