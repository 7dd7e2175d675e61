import type { Scored } from './diversify.js';

/** A server that matches. */
export interface ServerHit {
  readonly server: string;
  /** 0..1; comparable between queries. */
  readonly score: number;
}

// The best tool alone: counting further ones only favours servers with many.
const TOOLS = 0.75;
const OWN_TEXT = 0.25;

/** Ranks servers by their best tool and by the match of their own text; `tools` come best first, the result too. */
export function rankServers(tools: readonly Scored[], own: readonly ServerHit[]): ServerHit[] {
  const scores = new Map<string, number>();
  for (const { server, score } of tools) if (!scores.has(server)) scores.set(server, TOOLS * score);
  for (const { server, score } of own) scores.set(server, (scores.get(server) ?? 0) + OWN_TEXT * score);
  return [...scores]
    .map(([server, score]) => ({ server, score: Math.min(1, score) }))
    .sort((a, b) => b.score - a.score || (a.server < b.server ? -1 : 1));
}
