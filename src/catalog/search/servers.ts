import type { Scored } from './diversify.js';

/** A server that matches. */
export interface ServerHit {
  readonly server: string;
  /** 0..1; comparable between queries. */
  readonly score: number;
}

const TOOLS = 0.6;
const OWN_TEXT = 0.4;
// The best tool says nearly all; more good ones only part what is otherwise alike.
const PLACES = [0.85, 0.1, 0.05];

/** Ranks servers by their best tools and by the match of their own text; both best first. */
export function rankServers(tools: readonly Scored[], own: readonly ServerHit[]): ServerHit[] {
  const scores = new Map<string, number>();
  const seen = new Map<string, number>();
  for (const { server, score } of tools) {
    const place = seen.get(server) ?? 0;
    seen.set(server, place + 1);
    scores.set(server, (scores.get(server) ?? 0) + TOOLS * (PLACES[place] ?? 0) * score);
  }
  for (const { server, score } of own) scores.set(server, (scores.get(server) ?? 0) + OWN_TEXT * score);
  return [...scores]
    .map(([server, score]) => ({ server, score: Math.min(1, score) }))
    .sort((a, b) => b.score - a.score || (a.server < b.server ? -1 : 1));
}
