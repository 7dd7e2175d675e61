import { calibrated, confidence } from './calibrate.js';
import { clausesOf } from './clauses.js';
import { createCorpus, type ModelVector, type SearchMethod } from './corpus.js';
import { diversify, type Scored } from './diversify.js';
import { type DocumentFields, fieldsOf, serverFields, type ToolDocument } from './document.js';
import { createNameLookup } from './names.js';
import { rankServers, type ServerHit } from './servers.js';
import type { StaticEmbedder } from './static-table.js';

const LONGEST_QUERY = 4_000;
const CLAUSE_WEIGHT = 0.85;

export interface SearchOptions {
  /** Most hits to give. */
  readonly limit: number;
  /** Hits below this are left out; 0.3 parts what is on the topic from what is not. */
  readonly minScore: number;
  readonly filter?: (server: string, tool: string) => boolean;
  readonly method?: SearchMethod;
  /** The query as another model sees it, used for the tools that this model has read. */
  readonly vector?: ModelVector;
}

export interface SearchHit {
  readonly server: string;
  readonly tool: string;
  /** 0..1; comparable between queries. */
  readonly score: number;
}

export interface SearchResult {
  /** Best first. */
  readonly hits: readonly SearchHit[];
  /** True when the search went by words alone because meaning was not to be had. */
  readonly degraded: boolean;
}

export interface ServerSearchResult {
  readonly hits: readonly ServerHit[];
  readonly degraded: boolean;
}

/** A text that a slower model has yet to read. `ticket` is void once the tool was replaced. */
export interface PendingText {
  readonly ticket: number;
  readonly slot: number;
  readonly text: string;
}

/** All known tools in memory, found by words and by meaning. Answers at once and never throws for a query. */
export interface SearchIndex {
  /** Number of tools. */
  readonly size: number;
  /** Servers whose tools are being read: what is found meanwhile may lack some of them. */
  readonly unread: number;
  /** Resolves when there are none, or it takes too long to wait for them; undefined when there are none now. */
  settled(): Promise<void> | undefined;
  /** Makes `docs` all that is known of `server`; the cost grows with `docs`, not with the index. */
  replaceServer(server: string, docs: readonly ToolDocument[]): void;
  /** The same tool by tool, for who has others to attend to; to be left where the server is replaced or removed meanwhile. */
  replacing(server: string, docs: readonly ToolDocument[]): Iterator<void>;
  removeServer(server: string): void;
  search(query: string, options: SearchOptions): SearchResult;
  /** Ranks servers by their best tools and by what they say of themselves. */
  searchServers(
    query: string,
    options: Pick<SearchOptions, 'limit' | 'minScore' | 'vector'>,
  ): ServerSearchResult;
  /** Up to `most` texts without a vector of `model`. */
  pending(model: string, most: number): PendingText[];
  /** Takes the vector of a pending text; does nothing when its tool has changed meanwhile. */
  setVector(pending: PendingText, model: string, vector: Float32Array): void;
}

interface Entry {
  readonly doc: ToolDocument;
  readonly ticket: number;
}

/** An empty index. Without an embedder it goes by words alone and says so (`degraded`). */
export function createSearchIndex(embedder: StaticEmbedder | undefined): SearchIndex {
  return new MemoryIndex(embedder);
}

class MemoryIndex implements SearchIndex {
  readonly #tools;
  readonly #servers;
  readonly #entries = new Map<number, Entry>();
  readonly #slots = new Map<string, { tools: number[]; server: number }>();
  readonly #names = createNameLookup();
  readonly #serverOf = new Map<number, string>();
  readonly #hasMeaning: boolean;
  #ticket = 0;

  constructor(embedder: StaticEmbedder | undefined) {
    this.#tools = createCorpus(embedder);
    this.#servers = createCorpus(embedder);
    this.#hasMeaning = embedder !== undefined;
  }

  get size(): number {
    return this.#entries.size;
  }

  readonly unread = 0;

  settled(): undefined {
    return undefined;
  }

  replaceServer(server: string, docs: readonly ToolDocument[]): void {
    const work = this.replacing(server, docs);
    while (!work.next().done);
  }

  *replacing(server: string, docs: readonly ToolDocument[]): Generator<void> {
    this.removeServer(server);
    const own = this.#servers.add(serverFields(server, docs));
    const tools: number[] = [];
    this.#serverOf.set(own, server);
    this.#slots.set(server, { tools, server: own });
    for (const doc of docs) {
      const slot = this.#tools.add(fieldsOf(doc));
      this.#entries.set(slot, { doc: { ...doc, server }, ticket: this.#ticket++ });
      this.#names.add(slot, server, doc.tool);
      tools.push(slot);
      yield;
    }
  }

  removeServer(server: string): void {
    const held = this.#slots.get(server);
    if (held === undefined) return;
    for (const slot of held.tools) {
      const entry = this.#entries.get(slot);
      if (entry !== undefined) this.#names.remove(slot, server, entry.doc.tool);
      this.#entries.delete(slot);
      this.#tools.remove(slot);
    }
    this.#serverOf.delete(held.server);
    this.#servers.remove(held.server);
    this.#slots.delete(server);
  }

  search(query: string, options: SearchOptions): SearchResult {
    const hits: SearchHit[] = [];
    for (const { slot, score } of diversify(this.#match(query, options))) {
      const entry = this.#entries.get(slot);
      if (hits.length >= options.limit || score < options.minScore) break;
      if (entry !== undefined) hits.push({ server: entry.doc.server, tool: entry.doc.tool, score });
    }
    return { hits, degraded: !this.#hasMeaning };
  }

  searchServers(
    query: string,
    options: Pick<SearchOptions, 'limit' | 'minScore' | 'vector'>,
  ): ServerSearchResult {
    const text = bounded(query);
    const own = this.#servers.find(text, { method: 'hybrid' });
    const sure = confidence(own.evidence);
    const texts = own.matches.flatMap(({ slot, score }) => {
      const server = this.#serverOf.get(slot);
      return server === undefined ? [] : [{ server, score: calibrated(score, sure) }];
    });
    const hits = rankServers(this.#match(query, options), texts)
      .filter(({ score }) => score >= options.minScore)
      .slice(0, options.limit);
    return { hits, degraded: !this.#hasMeaning };
  }

  pending(model: string, most: number): PendingText[] {
    const found: PendingText[] = [];
    for (const [slot, { doc, ticket }] of this.#entries) {
      if (found.length >= most) break;
      if (!this.#tools.hasVector(slot, model)) found.push({ ticket, slot, text: textOf(fieldsOf(doc)) });
    }
    return found;
  }

  setVector({ slot, ticket }: PendingText, model: string, vector: Float32Array): void {
    if (this.#entries.get(slot)?.ticket === ticket) this.#tools.setVector(slot, model, vector);
  }

  /** Every tool that either method found, best first, with calibrated scores. */
  #match(query: string, options: Pick<SearchOptions, 'filter' | 'method' | 'vector'>): Scored[] {
    const { filter, vector } = options;
    const accept =
      filter &&
      ((slot: number): boolean => {
        const entry = this.#entries.get(slot);
        return entry !== undefined && filter(entry.doc.server, entry.doc.tool);
      });
    const how = { method: options.method ?? 'hybrid', accept };
    const text = bounded(query);
    const whole = this.#tools.find(text, vector === undefined ? how : { ...how, vector });
    const places = new Map(whole.matches.map(({ slot, score }) => [slot, score]));
    for (const clause of clausesOf(text)) {
      for (const { slot, score } of this.#tools.find(clause, how).matches) {
        places.set(slot, Math.max(places.get(slot) ?? 0, CLAUSE_WEIGHT * score));
      }
    }
    const sure = confidence(whole.evidence);
    const best = new Map([...places].map(([slot, place]) => [slot, calibrated(place, sure)]));
    for (const { slot, score } of this.#names.find(text)) if (accept?.(slot) !== false) best.set(slot, score);
    return [...best]
      .map(([slot, score]) => ({ slot, score, server: this.#entries.get(slot)?.doc.server ?? '' }))
      .sort((a, b) => b.score - a.score || a.slot - b.slot);
  }
}

/** Bounds the time of any query; NUL would otherwise end a word unseen. */
function bounded(query: string): string {
  return query.slice(0, LONGEST_QUERY).replaceAll('\u0000', ' ');
}

function textOf(fields: DocumentFields): string {
  return `${fields.name}: ${fields.description} (${fields.server}) ${fields.parameterNames}`.slice(0, 1_000);
}
