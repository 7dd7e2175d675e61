import { RuntimeError } from '../core/errors.js';
import type { ListedTool, ServerDefinition, ServerIdentity, ServerProblem } from '../core/server.js';
import { nearest } from '../lib/nearest.js';
import type { Sqlite } from '../lib/sqlite.js';
import { definitionHash } from './definition-hash.js';
import { describeServer, type ServerDescription, toolTitle } from './describe.js';
import { type Learnt, LearntStore } from './learnt-store.js';
import type { SearchIndex } from './search/index.js';

/** One known server: its definition and what was learnt of it. */
export interface CatalogEntry {
  readonly definition: ServerDefinition;
  readonly identity: ServerIdentity | undefined;
  readonly description: ServerDescription;
  /** Without blocked ones, in the server's order. */
  readonly tools: readonly ListedTool[];
  /** Ms since the epoch; undefined while nothing was learnt yet. */
  readonly learntAt: number | undefined;
  /** Why the tools may be out of date. */
  readonly stale: string | undefined;
  /** Why it could not be learnt. */
  readonly problem: ServerProblem | undefined;
  readonly toolProblems: readonly string[];
}

export interface ToolSearch {
  readonly query: string;
  readonly limit: number;
  readonly minScore: number;
  readonly servers?: readonly string[] | undefined;
  readonly enabled?: boolean | undefined;
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
  readonly #entries = new Map<string, CatalogEntry>();
  readonly #toolsByName = new Map<string, Map<string, ListedTool>>();

  constructor(options: { db: Sqlite; search: SearchIndex; now?: () => number }) {
    this.#store = new LearntStore(options.db, options.now ?? Date.now);
    this.#search = options.search;
  }

  /** Makes these the known servers. @returns which must be learnt, which went, and which now start differently. */
  setDefinitions(definitions: readonly ServerDefinition[]): {
    learn: string[];
    removed: string[];
    changed: string[];
  } {
    const learn: string[] = [];
    const changed: string[] = [];
    const wanted = new Set(definitions.map((definition) => definition.name));
    const removed = [...this.#entries.keys()].filter((name) => !wanted.has(name));
    for (const name of removed) this.#forget(name);
    for (const definition of definitions) {
      const before = this.#entries.get(definition.name);
      const hash = definitionHash(definition);
      if (before && definitionHash(before.definition) !== hash) changed.push(definition.name);
      const learnt = this.#store.load(definition.name, hash);
      const current = learnt?.definitionHash === hash;
      const stale = learnt && !current ? 'learnt with an earlier definition' : undefined;
      this.#put(definition, learnt, { stale, problem: undefined });
      if (!definition.disabled && (!current || (definition.overwrite && !before)))
        learn.push(definition.name);
    }
    return { learn, removed, changed };
  }

  /** Takes in what a running server told. @returns whether anything differs from what was known. */
  record(
    name: string,
    told: { identity: ServerIdentity; tools: readonly ListedTool[]; problems: readonly string[] },
  ): boolean {
    const entry = this.#entries.get(name);
    if (!entry) return false;
    const hash = definitionHash(entry.definition);
    const before = this.#store.load(name, hash);
    const learnt = this.#store.save(name, hash, told);
    const same = before?.hash === learnt.hash && before.definitionHash === hash;
    this.#put(entry.definition, learnt, { stale: undefined, problem: undefined }, same);
    return !same;
  }

  /** Keeps the last good tools and says why they may be out of date. */
  recordFailure(name: string, problem: ServerProblem): void {
    const entry = this.#entries.get(name);
    if (!entry) return;
    const stale = entry.learntAt === undefined ? undefined : 'it could not be asked again';
    this.#entries.set(name, { ...entry, problem, stale });
  }

  get(name: string): CatalogEntry | undefined {
    return this.#entries.get(name);
  }

  /** @throws RuntimeError SERVER_NOT_FOUND with the nearest names. */
  require(name: string): CatalogEntry {
    const entry = this.#entries.get(name);
    if (entry) return entry;
    const like = nearest(name, this.#entries.keys());
    throw new RuntimeError('SERVER_NOT_FOUND', `There is no server "${name}".`, {
      hint:
        like.length > 0
          ? `Did you mean ${like.join(', ')}?`
          : 'list_servers shows all; search_tools finds by purpose.',
      data: { nearest: like },
    });
  }

  /** Exact names only; blocked tools are not found. */
  tool(server: string, tool: string): ListedTool | undefined {
    return this.#toolsByName.get(server)?.get(tool);
  }

  /** The error for a tool that is not there, with the nearest names. */
  toolNotFound(server: string, tool: string): RuntimeError {
    const entry = this.require(server);
    if (entry.definition.blockedTools.includes(tool)) {
      return new RuntimeError(
        'TOOL_BLOCKED',
        `The tool "${tool}" of server "${server}" is blocked in its definition.`,
        {
          hint: 'Use another tool; the user can change "blocked_tools" in the servers file.',
        },
      );
    }
    const like = nearest(tool, this.#toolsByName.get(server)?.keys() ?? []);
    return new RuntimeError('TOOL_NOT_FOUND', `The server "${server}" has no tool "${tool}".`, {
      hint:
        like.length > 0
          ? `Did you mean ${like.join(', ')}?`
          : `get_server_tools(server_name="${server}") lists them.`,
      data: { nearest: like },
    });
  }

  /** In the order of the servers file. */
  entries(): readonly CatalogEntry[] {
    return [...this.#entries.values()];
  }

  get toolCount(): number {
    let count = 0;
    for (const entry of this.#entries.values()) count += entry.tools.length;
    return count;
  }

  searchTools(wish: ToolSearch): { hits: ToolHit[]; degraded: boolean } {
    const servers = wish.servers && new Set(wish.servers);
    const { hits, degraded } = this.#search.search(wish.query, {
      limit: wish.limit,
      minScore: wish.minScore,
      filter: (server: string) => {
        const entry = this.#entries.get(server);
        if (!entry || (servers && !servers.has(server))) return false;
        return wish.enabled === undefined || wish.enabled === !entry.definition.disabled;
      },
    });
    return { degraded, hits: hits.map((hit) => ({ ...hit, title: this.#titleOf(hit.server, hit.tool) })) };
  }

  searchServers(wish: { query: string; limit: number; minScore: number }): {
    hits: readonly { readonly server: string; readonly score: number }[];
    degraded: boolean;
  } {
    return this.#search.searchServers(wish.query, { limit: wish.limit, minScore: wish.minScore });
  }

  #titleOf(server: string, tool: string): string {
    const found = this.tool(server, tool);
    return found ? toolTitle(found) : tool;
  }

  #put(
    definition: ServerDefinition,
    learnt: Learnt | undefined,
    state: Pick<CatalogEntry, 'stale' | 'problem'>,
    searchIsCurrent = false,
  ): void {
    const blocked = new Set(definition.blockedTools);
    const tools = (learnt?.tools ?? []).filter((tool) => !blocked.has(tool.name));
    const description = describeServer(definition, learnt?.identity, tools);
    this.#entries.set(definition.name, {
      definition,
      identity: learnt?.identity,
      description,
      tools,
      learntAt: learnt?.learntAt,
      toolProblems: learnt?.problems ?? [],
      ...state,
    });
    this.#toolsByName.set(definition.name, new Map(tools.map((tool) => [tool.name, tool])));
    if (searchIsCurrent) return;
    this.#search.replaceServer(
      definition.name,
      tools.map((tool) => ({
        server: definition.name,
        tool: tool.name,
        ...(tool.title === undefined ? {} : { title: String(tool.title) }),
        ...(tool.description === undefined ? {} : { description: String(tool.description) }),
        inputSchema: tool.inputSchema,
        serverText: `${learnt?.identity.title ?? ''} ${learnt?.identity.instructions ?? ''}`.trim(),
        hints: definition.hints,
      })),
    );
  }

  #forget(name: string): void {
    this.#entries.delete(name);
    this.#toolsByName.delete(name);
    this.#search.removeServer(name);
  }
}
