import { isDeepStrictEqual } from 'node:util';
import type { RuntimeError } from '../core/errors.js';
import type { KnownServer, ListedTool, ServerIdentity, ServerProblem } from '../core/server.js';
import { sha256 } from '../lib/hash.js';
import type { Sqlite } from '../lib/sqlite.js';
import { cleanTool } from './clean-tool.js';
import { definitionHash, learntKey } from './definition-hash.js';
import { describeServer, type ServerDescription, toolTitle } from './describe.js';
import { type CatalogEntry, isGood, sameReasons } from './entry.js';
import { type Learnt, LearntStore } from './learnt-store.js';
import { serverNotFound, toolNotFound } from './not-found.js';
import type { Approvals, ListOrigin } from './pins/approvals.js';
import { documentsOf } from './search/documents.js';
import type { ModelSearch, SearchIndex, SearchOptions } from './search/index.js';

export interface ToolSearch {
  readonly query: string;
  readonly limit: number;
  readonly minScore: number;
  readonly servers?: readonly string[] | undefined;
  readonly enabled?: boolean | undefined;
  /** Others are passed over. Default: all are seen. */
  readonly sees?: ((server: string, tool: string) => boolean) | undefined;
}

/** Whatever finds tools in a search index. */
export interface Searcher {
  search(
    query: string,
    options: SearchOptions,
  ): ReturnType<SearchIndex['search']> | ReturnType<ModelSearch['search']>;
}

export interface ToolHit {
  readonly server: string;
  readonly tool: string;
  readonly title: string;
  readonly score: number;
}

/**
 * What is known of servers and tools, and searched. Everything is in memory and kept in SQLite; reading never
 * starts a server. The engine alone writes.
 */
export class Catalog {
  readonly #store: LearntStore;
  readonly #search: SearchIndex;
  readonly #searcher: Searcher;
  readonly #approvals: Approvals;
  readonly #entries = new Map<string, CatalogEntry>();
  readonly #toolsByName = new Map<string, Map<string, ListedTool>>();
  /** Of what search was given for each server: the same is not given twice, since reading it costs time. */
  readonly #searched = new Map<string, string>();

  /** @param options `searcher` answers instead of `search`, over the same tools: with a model beside it, for example. */
  constructor(options: {
    db: Sqlite;
    search: SearchIndex;
    approvals: Approvals;
    searcher?: Searcher;
    now?: () => number;
  }) {
    this.#approvals = options.approvals;
    this.#store = new LearntStore(options.db, options.now ?? Date.now);
    this.#search = options.search;
    this.#searcher = options.searcher ?? options.search;
  }

  /**
   * Makes these the known servers. What says the same as before is passed over, unless it may be out of date: each save of the
   * servers file brings all of them again, and to take one in anew costs a millisecond and two writes.
   * @returns which went, which now start differently, and of which other tools are known than before.
   */
  setDefinitions(definitions: readonly KnownServer[]): {
    removed: string[];
    changed: string[];
    updated: string[];
  } {
    const changed: string[] = [];
    const updated: string[] = [];
    const wanted = new Set(definitions.map((definition) => definition.name));
    const removed = [...this.#entries.keys()].filter((name) => !wanted.has(name));
    for (const name of removed) this.#forget(name);
    for (const definition of definitions) {
      const { name } = definition;
      const entry = this.#entries.get(name);
      const before = entry?.definition;
      if (before === definition) continue;
      if (entry && isGood(entry) && isDeepStrictEqual(before, definition)) continue;
      if (before && definitionHash(before) !== definitionHash(definition)) changed.push(name);
      const { learnt, origin, state } = this.#remembered(definition);
      if (this.#put(definition, learnt, origin, state)) updated.push(name);
    }
    return { removed, changed, updated };
  }

  /** Takes in what a running server told. @returns whether anything differs from what was known. */
  record(
    name: string,
    told: { identity: ServerIdentity; tools: readonly ListedTool[]; problems: readonly string[] },
  ): boolean {
    const entry = this.#entries.get(name);
    if (!entry) return false;
    const key = learntKey(entry.definition);
    const before = this.#store.load(name, key);
    const learnt = this.#store.save(name, key, told);
    this.#put(entry.definition, learnt, 'listed', { stale: undefined, problem: undefined });
    return before?.hash !== learnt.hash || before.definitionHash !== key;
  }

  /** Decides anew what may be used, after a person approved something or took it back. @returns of which servers. */
  reconsider(): string[] {
    if (!this.#approvals.refresh()) return [];
    return [...this.#entries.values()].flatMap((entry) => {
      const { definition, stale, problem } = entry;
      const { learnt, origin } = this.#remembered(definition);
      const before = entry.withheld;
      const changed = this.#put(definition, learnt, origin, { stale, problem });
      const after = this.#entries.get(definition.name)?.withheld ?? before;
      return changed || !sameReasons(before, after) ? [definition.name] : [];
    });
  }

  /** Keeps the last good tools and says why they may be out of date. */
  recordFailure(name: string, problem: ServerProblem): void {
    const entry = this.#entries.get(name);
    if (!entry) return;
    const stale = entry.learntAt === undefined ? undefined : 'it could not be asked again';
    this.#entries.set(name, { ...entry, problem, stale });
  }

  /** Puts a better description in the place of the derived one, for as long as the entry stays as it is. */
  describe(entry: CatalogEntry, description: ServerDescription): void {
    const { name } = entry.definition;
    if (this.#entries.get(name) === entry) this.#entries.set(name, { ...entry, description });
  }

  get(name: string): CatalogEntry | undefined {
    return this.#entries.get(name);
  }

  /** @throws RuntimeError SERVER_NOT_FOUND with the nearest names. */
  require(name: string): CatalogEntry {
    const entry = this.#entries.get(name);
    if (entry) return entry;
    throw this.serverNotFound(name, this.#entries.keys());
  }

  /** The error for a server that is not there, with the nearest of these names. */
  serverNotFound(name: string, among: Iterable<string>): RuntimeError {
    return serverNotFound(name, among);
  }

  /** Exact names only; blocked tools are not found. */
  tool(server: string, tool: string): ListedTool | undefined {
    return this.#toolsByName.get(server)?.get(tool);
  }

  /** The error for a tool that is not there, with the nearest names: of all its tools, or of these. */
  toolNotFound(server: string, tool: string, among?: Iterable<string>): RuntimeError {
    const entry = this.require(server);
    return toolNotFound(entry, tool, among ?? this.#toolsByName.get(server)?.keys() ?? []);
  }

  /** In the order of the servers file. */
  entries(): readonly CatalogEntry[] {
    return [...this.#entries.values()];
  }

  /** Servers that are known and that search has not read to the end. */
  get unread(): number {
    return this.#search.unread;
  }

  get toolCount(): number {
    let count = 0;
    for (const entry of this.#entries.values()) count += entry.tools.length;
    return count;
  }

  async searchTools(wish: ToolSearch): Promise<{ hits: ToolHit[]; degraded: boolean }> {
    await this.#search.settled();
    const servers = wish.servers && new Set(wish.servers);
    const { hits, degraded } = await this.#searcher.search(wish.query, {
      limit: wish.limit,
      minScore: wish.minScore,
      filter: (server: string, tool: string) => {
        const entry = this.#entries.get(server);
        if (!entry || (servers && !servers.has(server))) return false;
        if (wish.sees && !wish.sees(server, tool)) return false;
        return wish.enabled === undefined || wish.enabled === !entry.definition.disabled;
      },
    });
    return { degraded, hits: hits.map((hit) => ({ ...hit, title: this.#titleOf(hit.server, hit.tool) })) };
  }

  /** @param sees of a server: others are passed over. */
  async searchServers(
    wish: { query: string; limit: number; minScore: number },
    sees?: (server: string) => boolean,
  ): Promise<{
    hits: readonly { readonly server: string; readonly score: number }[];
    degraded: boolean;
  }> {
    await this.#search.settled();
    const { query, minScore } = wish;
    const limit = sees ? this.#entries.size : wish.limit;
    const { hits, degraded } = this.#search.searchServers(query, { limit, minScore });
    return { hits: sees ? hits.filter(({ server }) => sees(server)).slice(0, wish.limit) : hits, degraded };
  }

  #titleOf(server: string, tool: string): string {
    const found = this.tool(server, tool);
    return found ? toolTitle(found) : tool;
  }

  /** What is known of a server before it ran again, and why that may be out of date. */
  #remembered(definition: KnownServer): {
    learnt: Learnt | undefined;
    origin: ListOrigin;
    state: Pick<CatalogEntry, 'stale' | 'problem'>;
  } {
    const key = learntKey(definition);
    const learnt = this.#store.load(definition.name, key);
    const current = learnt?.definitionHash === key;
    // Of a server of an index what the index tells is enough, until its own list was agreed to.
    if (definition.transport === 'index') {
      const own = current || this.#approvals.knows(definition) ? learnt : undefined;
      const state = { stale: definition.told.stale, problem: undefined };
      return { learnt: own, origin: own ? 'remembered' : 'told', state };
    }
    const stale = learnt && !current ? 'learnt with an earlier definition' : undefined;
    return { learnt, origin: current ? 'remembered' : 'earlier', state: { stale, problem: undefined } };
  }

  /** @returns whether search was given something else than before. */
  #put(
    definition: KnownServer,
    learnt: Learnt | undefined,
    origin: ListOrigin,
    state: Pick<CatalogEntry, 'stale' | 'problem'>,
  ): boolean {
    const told = definition.transport === 'index' ? definition.told : undefined;
    const blocked = new Set(definition.blockedTools);
    const listed = learnt?.tools ?? told?.tools ?? [];
    const { admitted, withheld } = this.#approvals.admit(definition, listed, origin);
    const tools = admitted.filter((tool) => !blocked.has(tool.name)).map(cleanTool);
    const description = describeServer(definition, learnt?.identity, tools);
    this.#entries.set(definition.name, {
      definition,
      identity: learnt?.identity,
      description,
      tools,
      listed,
      withheld,
      learntAt: learnt?.learntAt ?? (told?.tools && told.since),
      toolProblems: learnt?.problems ?? told?.problems ?? [],
      ...state,
    });
    this.#toolsByName.set(definition.name, new Map(tools.map((tool) => [tool.name, tool])));
    const documents = documentsOf(definition, tools, learnt?.identity);
    const hash = sha256(JSON.stringify(documents));
    if (this.#searched.get(definition.name) === hash) return false;
    this.#searched.set(definition.name, hash);
    this.#search.replaceServer(definition.name, documents);
    return true;
  }

  #forget(name: string): void {
    this.#entries.delete(name);
    this.#toolsByName.delete(name);
    this.#searched.delete(name);
    this.#search.removeServer(name);
  }
}
