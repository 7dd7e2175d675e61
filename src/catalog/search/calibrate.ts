/** What a whole query found, before its scores mean anything outside it. */
export interface Evidence {
  /** Best cosine with the query by the shipped table; undefined when words alone were asked. */
  readonly cosine: number | undefined;
  /** Best share of the query's words, by rarity, that one document covers, 0..1. */
  readonly coverage: number;
  /** Share of the query's words that nothing here knows, 0..1. */
  readonly unknown: number;
  /** Documents that were looked through: among more, chance finds a better one. */
  readonly documents: number;
}

// Fitted once by logistic regression over twelve catalogues of 7 to 8,000 tools: wishes that they answer, against
// nonsense and other topics. A little stricter than the fit, since a hit too many is read by a model.
const OFFSET = -6;
const PER_COSINE = 17;
const PER_COVERAGE = 5.5;
const PER_TENFOLD = -0.37;
// Letters that are no word still get a vector from their pieces; it is to be believed less.
const UNKNOWN_COST = 0.48;
// The same for words alone, which have to carry more.
const WORDS_ALONE = -3.2;
const WORDS_PER_COVERAGE = 16;
const WORDS_PER_TENFOLD = -1.5;
// Even the last of a good query's hits is on its topic; the share that a hit's place within the query decides.
const PLACE = 0.5;

/** How far a query's best hits are to be believed, 0..1: near 0 for nonsense and for topics the catalog lacks. */
export function confidence({ cosine, coverage, unknown, documents }: Evidence): number {
  const size = Math.log10(documents + 1);
  if (cosine === undefined)
    return sigmoid(WORDS_ALONE + WORDS_PER_COVERAGE * coverage + WORDS_PER_TENFOLD * size);
  const meaning = PER_COSINE * cosine * (1 - UNKNOWN_COST * unknown);
  return sigmoid(OFFSET + meaning + PER_COVERAGE * coverage + PER_TENFOLD * size);
}

function sigmoid(value: number): number {
  return 1 / (1 + Math.exp(-value));
}

/** A score that can be compared between queries, 0..1, from a hit's place within its query (0..1). */
export function calibrated(place: number, confident: number): number {
  return confident * (1 - PLACE + PLACE * Math.min(1, Math.max(0, place)));
}
