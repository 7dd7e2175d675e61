/** What each method says of one document for one query. */
export interface Candidate {
  readonly slot: number;
  /** BM25F; 0 when no word is shared. */
  readonly lexical: number;
  /** Cosine by the shipped table. */
  readonly cosine: number;
  /** Cosine by another model that has read the document. */
  readonly other?: number;
}

/** A document that matches. Scores rank within one query only: 0..1, stretched over what was found. */
export interface Match {
  readonly slot: number;
  readonly score: number;
}

/** How much meaning counts against words in the usual, hybrid search. */
export const DENSE_SHARE = 0.65;
// Where a better model has read a document too, most of the word for meaning is its.
const OTHER_SHARE = 0.65;

/**
 * Orders candidates, best first, by `share` × dense + (1 - `share`) × lexical, each stretched over the candidates' range: the shape of the scores
 * is kept, so a method that found nothing convincing does not decide. (Reciprocal ranks forget that shape.)
 */
export function fuse(candidates: readonly Candidate[], share: number): Match[] {
  const lexical = stretch(candidates.map((candidate) => candidate.lexical));
  const cosine = stretch(candidates.map((candidate) => candidate.cosine));
  const known = candidates.flatMap(({ other }) => (other === undefined ? [] : [other]));
  const other = stretch(known);
  return candidates
    .map((candidate) => {
      const own = cosine(candidate.cosine);
      const dense =
        candidate.other === undefined ? own : (1 - OTHER_SHARE) * own + OTHER_SHARE * other(candidate.other);
      return { slot: candidate.slot, score: share * dense + (1 - share) * lexical(candidate.lexical) };
    })
    .sort((a, b) => b.score - a.score || a.slot - b.slot);
}

/**
 * Orders the first `opinions.length` of `matches` anew: their score gives `share` of itself to the opinion on each,
 * stretched over all of them. The rest stay behind what they were.
 */
export function blend(matches: readonly Match[], opinions: readonly number[], share: number): Match[] {
  const opinion = stretch(opinions);
  return matches
    .map(({ slot, score }, i) => {
      const own = opinions[i];
      return { slot, score: (1 - share) * score + (own === undefined ? 0 : share * opinion(own)) };
    })
    .sort((a, b) => b.score - a.score || a.slot - b.slot);
}

/** Maps the range of `values` to 0..1; all to 0 when they are equal. */
function stretch(values: readonly number[]): (value: number) => number {
  let least = Number.POSITIVE_INFINITY;
  let most = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    least = Math.min(least, value);
    most = Math.max(most, value);
  }
  const range = most - least;
  return range > 0 ? (value) => (value - least) / range : () => 0;
}
