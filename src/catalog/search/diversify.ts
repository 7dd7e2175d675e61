/** A tool that matches, with the server it belongs to. */
export interface Scored {
  readonly slot: number;
  readonly server: string;
  readonly score: number;
}

// Three tools of one server are an answer; the fourth has to be a little better than another server's to go before it.
const FREE_PER_SERVER = 3;
const STEP = 0.88;
const LEAST = 0.6;

/**
 * Gives `matches` anew, best first, where each further tool of a server beyond the third counts a little less: so a
 * server whose texts are stuffed with keywords cannot fill the list, and one that is truly meant still can, since the
 * others are then far behind. Does nothing when all are of one server.
 */
export function diversify(matches: readonly Scored[]): Scored[] {
  const first = matches[0];
  if (first === undefined || matches.every(({ server }) => server === first.server)) return [...matches];
  const taken = new Map<string, number>();
  const weighed = matches.map((match) => {
    const before = taken.get(match.server) ?? 0;
    taken.set(match.server, before + 1);
    const factor = Math.max(LEAST, STEP ** Math.max(0, before + 1 - FREE_PER_SERVER));
    return { ...match, score: match.score * factor };
  });
  return weighed.sort((a, b) => b.score - a.score || a.slot - b.slot);
}
