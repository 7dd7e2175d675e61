import type { Evidence } from './calibrate.js';
import { createDenseSpace, type DenseSpace } from './dense.js';
import type { DocumentFields } from './document.js';
import { blend, type Candidate, DENSE_SHARE, fuse, type Match } from './fuse.js';
import { createLexicalIndex, type WeightedTerm } from './lexical.js';
import type { StaticEmbedder } from './static-table.js';
import { stem } from './stem.js';
import { SYNONYM_WEIGHT, synonymsOf } from './synonyms.js';
import { contentWords, terms } from './tokenize.js';
import { createTop } from './top.js';
import { createVectoriser, queryVector } from './vectorise.js';
import { createWordMatcher } from './word-match.js';

// Each method's best this many meet; a tool outside both lists has nothing to say for itself.
const POOL = 100;
// Comparing word by word costs more, and only the first places gain by it. All of its weight up to `WORDS_ALL` words that
// say something, none from `WORDS_NONE` on: measured to help short wishes and to harm long ones.
const RERANKED = 40;
const WORDS_SHARE = 0.3;
const WORDS_ALL = 7;
const WORDS_NONE = 11;
// A better model has seen the words in their order: what they say one by one adds less to it.
const WITH_MODEL = 0.5;
const SHARE = { hybrid: DENSE_SHARE, lexical: 0, dense: 1 } as const;
// Sweeping costs a pass over all postings: only when a good part of them is dead.
const DEAD_LEAST = 500;
const DEAD_SHARE = 0.25;

/** How documents are found: by both methods, by words alone, or by meaning alone. */
export type SearchMethod = 'hybrid' | 'lexical' | 'dense';

/** A query's vector by a model other than the shipped table, for the documents that this model has read too. */
export interface ModelVector {
  readonly model: string;
  readonly vector: Float32Array;
}

/** Matches of one query, best first, and how far they are to be believed. */
export interface Matches {
  readonly matches: readonly Match[];
  readonly evidence: Evidence;
}

/** Documents under slot numbers, found by words and by meaning. */
export interface Corpus {
  readonly size: number;
  add(fields: DocumentFields): number;
  remove(slot: number): void;
  /** Gives `slot` a vector of another model; used beside the shipped table's when a query brings one too. */
  setVector(slot: number, model: string, vector: Float32Array): void;
  hasVector(slot: number, model: string): boolean;
  find(text: string, how: FindOptions): Matches;
}

export interface FindOptions {
  readonly method: SearchMethod;
  /** All, without it. */
  readonly accept?: ((slot: number) => boolean) | undefined;
  readonly vector?: ModelVector;
}

/** An empty corpus; without an embedder it finds by words alone. */
export function createCorpus(embedder: StaticEmbedder | undefined): Corpus {
  const lexical = createLexicalIndex();
  const shipped = embedder && createDenseSpace(embedder.id, embedder.dimensions);
  const vectoriser = embedder && createVectoriser(embedder);
  const matcher = embedder && createWordMatcher(embedder);
  let other: DenseSpace | undefined;
  let scores = new Float32Array(256);
  let touched = new Int32Array(256);
  let alive = new Uint8Array(256);
  let free: number[] = [];
  let dead: number[] = [];
  let next = 0;
  let size = 0;

  const reclaim = (): void => {
    if (dead.length < DEAD_LEAST || dead.length < DEAD_SHARE * (size + dead.length)) return;
    lexical.compact();
    free = free.concat(dead);
    dead = [];
  };

  /** Words: the best slots, with each slot's score left in `scores` until `release`. */
  const byWords = (text: string, accept: FindOptions['accept']) => {
    const { count, perfect } = lexical.score(weighted(text), scores, touched);
    const top = createTop(POOL);
    let floor = top.floor;
    for (let i = 0; i < count; i++) {
      const slot = touched[i] as number;
      const score = scores[slot] as number;
      if (score <= floor || alive[slot] === 0 || (accept !== undefined && !accept(slot))) continue;
      top.offer(slot, score);
      floor = top.floor;
    }
    return { count, perfect, best: top.slots() };
  };

  /** Share of the query's words that neither the documents nor the table's vocabulary hold. */
  const unknownShare = (text: string): number => {
    const words = contentWords(text);
    const unknown = words.filter((word) => embedder?.knows(word) !== true && !lexical.has(stem(word)));
    return words.length === 0 ? 1 : unknown.length / words.length;
  };

  /** Lets the words of a short wish speak one by one about the first places. */
  const byWord = (text: string, matches: readonly Match[], factor: number): readonly Match[] => {
    const count = contentWords(text).length;
    const share =
      factor * WORDS_SHARE * Math.min(1, Math.max(0, (WORDS_NONE - count) / (WORDS_NONE - WORDS_ALL)));
    if (matcher === undefined || share === 0) return matches;
    const first = matches.slice(0, RERANKED).map(({ slot }) => slot);
    return blend(matches, matcher.compare(text, first), share);
  };

  const release = (count: number): void => {
    for (let i = 0; i < count; i++) scores[touched[i] as number] = 0;
  };

  return {
    get size() {
      return size;
    },
    add(fields) {
      const slot = free.pop() ?? next++;
      if (slot >= scores.length) {
        scores = new Float32Array(2 * slot);
        touched = new Int32Array(2 * slot);
        const flags = new Uint8Array(2 * slot);
        flags.set(alive);
        alive = flags;
      }
      alive[slot] = 1;
      lexical.add(slot, fields);
      const meaning = vectoriser?.document(fields);
      if (meaning?.vector !== undefined) {
        shipped?.set(slot, meaning.vector);
        matcher?.set(slot, meaning);
      }
      size++;
      return slot;
    },
    remove(slot) {
      alive[slot] = 0;
      lexical.remove(slot);
      shipped?.remove(slot);
      matcher?.remove(slot);
      other?.remove(slot);
      dead.push(slot);
      size--;
      reclaim();
    },
    setVector(slot, model, vector) {
      if (other?.model !== model) other = createDenseSpace(model, vector.length);
      other.set(slot, vector);
    },
    hasVector: (slot, model) => other?.model === model && other.has(slot),
    find(text, { method, accept, vector }) {
      const asked = embedder && method !== 'lexical' ? queryVector(text, embedder) : undefined;
      const better = other !== undefined && vector?.model === other.model ? other : undefined;
      const { count, perfect, best } = byWords(text, accept);
      const near = asked && shipped ? shipped.nearest(asked, POOL, accept) : [];
      const far = better && vector && method !== 'lexical' ? better.nearest(vector.vector, POOL, accept) : [];
      const words = method === 'dense' ? [] : best;
      const candidates: Candidate[] = [];
      for (const slot of new Set([...near, ...far, ...words])) {
        candidates.push({
          slot,
          lexical: method === 'dense' ? 0 : (scores[slot] as number),
          cosine: asked && shipped ? shipped.similarity(slot, asked) : 0,
          ...(better?.has(slot) && vector ? { other: better.similarity(slot, vector.vector) } : {}),
        });
      }
      const strongest = best[0] === undefined ? 0 : (scores[best[0]] as number);
      release(count);
      const fused = fuse(candidates, SHARE[method]);
      return {
        matches: method === 'lexical' ? fused : byWord(text, fused, better ? WITH_MODEL : 1),
        evidence: {
          cosine: asked && candidates.reduce((most, { cosine }) => Math.max(most, cosine), 0),
          coverage: perfect > 0 ? strongest / perfect : 0,
          unknown: unknownShare(text),
          documents: size,
        },
      };
    },
  };
}

/** A word said twice counts more, but not twice as much; what means the same counts a little, and is not missed. */
function weighted(text: string): WeightedTerm[] {
  const counts = new Map<string, number>();
  for (const term of terms(text)) counts.set(term, (counts.get(term) ?? 0) + 1);
  const query: WeightedTerm[] = [...counts].map(([term, count]) => ({
    term,
    weight: Math.sqrt(Math.min(count, 2)),
  }));
  const others = new Set<string>();
  for (const term of counts.keys())
    for (const other of synonymsOf(term)) if (!counts.has(other)) others.add(other);
  for (const term of others) query.push({ term, weight: SYNONYM_WEIGHT, optional: true });
  return query;
}
