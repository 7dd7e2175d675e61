import type { DocumentFields } from './document.js';
import { nameTerms, splitTerms } from './tokenize.js';

/** Weights of BM25F's fields, how strongly each is normalised by length, and its usual length in terms. */
interface Field {
  readonly weight: number;
  readonly b: number;
  readonly usual: number;
}

// Usual lengths are constants and not the catalogue's averages: so a posting never changes after it was written, and
// a tool ranks the same whichever servers were learnt before it.
const FIELDS = {
  name: { weight: 2, b: 0.4, usual: 3 },
  description: { weight: 1, b: 0.6, usual: 18 },
  parameters: { weight: 0.3, b: 0.6, usual: 20 },
  server: { weight: 1, b: 0.4, usual: 3 },
  serverText: { weight: 0.3, b: 0.6, usual: 20 },
} as const satisfies Record<string, Field>;
const K1 = 1.8;
// A word that a small catalogue lacks is not thereby a common one: it is taken to be rare among this many documents.
const LANGUAGE = 5_000;

interface Posting {
  slots: Int32Array;
  weights: Float32Array;
  length: number;
  /** Documents that hold the term and still stand. */
  live: number;
}

/** A query term and how much it counts. */
export interface WeightedTerm {
  readonly term: string;
  readonly weight: number;
  /** Adds where it is found; a document without it lacks nothing. */
  readonly optional?: boolean;
}

/** How many slots were touched, and the score that a perfect document would have. */
export interface LexicalScore {
  readonly count: number;
  readonly perfect: number;
}

/** An inverted index with BM25F weights. Slots are numbers given by the owner; a slot is written once between clears. */
export interface LexicalIndex {
  add(slot: number, fields: DocumentFields): void;
  remove(slot: number): void;
  /** Whether any document holds `term`. */
  has(term: string): boolean;
  /** Adds each document's score to `scores` (indexed by slot) and lists the slots in `touched`, which has room for all. */
  score(query: readonly WeightedTerm[], scores: Float32Array, touched: Int32Array): LexicalScore;
  /** Forgets removed documents' postings; worth its time when a good part of the slots is dead. */
  compact(): void;
}

/** An empty index. */
export function createLexicalIndex(): LexicalIndex {
  const postings = new Map<string, Posting>();
  const termsOfSlot = new Map<number, readonly string[]>();
  const dead = new Set<number>();

  const idf = (posting: Posting): number =>
    Math.log(1 + (termsOfSlot.size - posting.live + 0.5) / (posting.live + 0.5));

  return {
    add(slot, fields) {
      const weights = weigh(fields);
      for (const [term, weight] of weights) append(postings, term, slot, weight);
      termsOfSlot.set(slot, [...weights.keys()]);
    },
    remove(slot) {
      for (const term of termsOfSlot.get(slot) ?? []) {
        const posting = postings.get(term);
        if (posting !== undefined) posting.live--;
      }
      if (termsOfSlot.delete(slot)) dead.add(slot);
    },
    has: (term) => (postings.get(term)?.live ?? 0) > 0,
    score(query, scores, touched) {
      let perfect = 0;
      let count = 0;
      const total = Math.max(1, termsOfSlot.size);
      for (const { term, weight, optional } of query) {
        const posting = postings.get(term);
        if (posting === undefined || posting.live <= 0) {
          if (optional !== true) perfect += weight * Math.log(1 + Math.max(total, LANGUAGE) / 1.5);
          continue;
        }
        const gain = weight * idf(posting);
        if (optional !== true) perfect += gain;
        const { slots, weights, length } = posting;
        for (let i = 0; i < length; i++) {
          const slot = slots[i] as number;
          const before = scores[slot] as number;
          if (before === 0) touched[count++] = slot;
          const frequency = weights[i] as number;
          scores[slot] = before + (gain * frequency) / (K1 + frequency);
        }
      }
      return { count, perfect };
    },
    compact() {
      for (const [term, posting] of postings) {
        if (posting.live <= 0) postings.delete(term);
        else if (posting.live < posting.length) sweep(posting, dead);
      }
      dead.clear();
    },
  };
}

function weigh(fields: DocumentFields): Map<string, number> {
  const weights = new Map<string, number>();
  collect(weights, nameTerms(fields.name), FIELDS.name);
  collect(weights, splitTerms(fields.description), FIELDS.description);
  collect(
    weights,
    [...splitTerms(fields.parameterNames), ...splitTerms(fields.parameters)],
    FIELDS.parameters,
  );
  collect(weights, nameTerms(fields.server), FIELDS.server);
  collect(weights, splitTerms(fields.serverText), FIELDS.serverText);
  return weights;
}

function collect(weights: Map<string, number>, found: readonly string[], field: Field): void {
  const share = field.weight / (1 - field.b + (field.b * found.length) / field.usual);
  for (const term of found) weights.set(term, (weights.get(term) ?? 0) + share);
}

function append(postings: Map<string, Posting>, term: string, slot: number, weight: number): void {
  let posting = postings.get(term);
  if (posting === undefined) {
    posting = { slots: new Int32Array(2), weights: new Float32Array(2), length: 0, live: 0 };
    postings.set(term, posting);
  }
  if (posting.length === posting.slots.length) {
    const slots = new Int32Array(posting.length * 2);
    const weights = new Float32Array(posting.length * 2);
    slots.set(posting.slots);
    weights.set(posting.weights);
    posting.slots = slots;
    posting.weights = weights;
  }
  posting.slots[posting.length] = slot;
  posting.weights[posting.length] = weight;
  posting.length++;
  posting.live++;
}

function sweep(posting: Posting, dead: ReadonlySet<number>): void {
  let kept = 0;
  for (let i = 0; i < posting.length; i++) {
    const slot = posting.slots[i] as number;
    if (dead.has(slot)) continue;
    posting.slots[kept] = slot;
    posting.weights[kept] = posting.weights[i] as number;
    kept++;
  }
  posting.length = kept;
}
