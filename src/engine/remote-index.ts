import type { DiscoveryClient } from '../catalog/remote/discovery-client.js';
import type { IndexServer, IndexTool } from '../catalog/remote/types.js';
import type { IndexedDefinition, IndexedFacts, ListedTool } from '../core/server.js';
import { canonicalJson, sha256 } from '../lib/hash.js';
import type { Logger } from '../lib/log.js';

/** Lists of tools asked for at once. */
const AT_ONCE = 6;
/** While a large index is read for the first time, what is there already is shown this often, ms. */
const SHOW_EVERY_MS = 500;
const MAX_PROBLEMS = 10;
/** An index that failed is asked again sooner than one that answers, ms. */
const RETRY_MS = 30_000;

export interface RemoteIndexOptions {
  readonly client: DiscoveryClient;
  /** Between two looks at the index, ms. */
  readonly refreshMs: number;
  readonly logger: Logger;
  /** What is known of the index changed. */
  onChange(): void;
}

/** What the index told of one server last. */
interface Known {
  readonly server: Pick<IndexServer, 'title' | 'summary' | 'capabilities' | 'limitations'>;
  readonly tools: readonly IndexTool[] | undefined;
  readonly problems: readonly string[];
  readonly stale: string | undefined;
  readonly since: number;
}

const UNDESCRIBED: Known['server'] = {
  title: undefined,
  summary: undefined,
  capabilities: [],
  limitations: [],
};

/**
 * What a remote index knows, kept in memory and asked for again in the background. Nobody waits for the index, and
 * nothing is started to learn of its servers. What it no longer lists, or cannot tell now, stays with a mark.
 */
export class RemoteIndex {
  readonly #options: RemoteIndexOptions;
  readonly #known = new Map<string, Known>();
  readonly #definitions = new Map<string, IndexedDefinition>();
  readonly #closing = new AbortController();
  #problems: readonly string[] = [];
  #refreshing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #shownAt = 0;

  constructor(options: RemoteIndexOptions) {
    this.#options = options;
    const { servers, gone, since, toolsOf } = options.client.recall();
    const recalled = `the index at ${options.client.index} has not answered yet`;
    for (const server of servers) {
      const kept = toolsOf(server.name);
      this.#put(server.name, {
        server,
        tools: kept?.tools,
        problems: [],
        stale: recalled,
        since: kept?.since ?? since,
      });
    }
    for (const name of gone) {
      const kept = toolsOf(name);
      if (kept) this.#put(name, { server: UNDESCRIBED, ...kept, problems: [], stale: this.#gone() });
    }
  }

  /** All servers it told of; the same object as before for one that has not changed. */
  get definitions(): readonly IndexedDefinition[] {
    return [...this.#definitions.values()];
  }

  /** What is wrong with the index or with single entries of it, for people. */
  get problems(): readonly string[] {
    return this.#problems;
  }

  /** Whether it is being asked now. */
  get pending(): boolean {
    return this.#refreshing !== undefined;
  }

  /** Asks for everything, once for all who want that. Never rejects: `problems` says what went wrong. */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  /** Asks now and then from now on. */
  start(): void {
    if (this.#closing.signal.aborted) return;
    void this.refresh().then(() => {
      const wait = this.#problems.length > 0 ? RETRY_MS : this.#options.refreshMs;
      this.#timer = setTimeout(() => this.start(), Math.min(wait, this.#options.refreshMs)).unref();
      if (this.#closing.signal.aborted) clearTimeout(this.#timer);
    });
  }

  /** Resolves when no question is on its way any more. */
  async close(): Promise<void> {
    this.#closing.abort(new Error('the engine ends'));
    clearTimeout(this.#timer);
    await this.#refreshing;
  }

  async #refresh(): Promise<void> {
    const { client, logger } = this.#options;
    const { signal } = this.#closing;
    const problems: string[] = [];
    try {
      const listed = await client.listServers({ signal });
      problems.push(...listed.problems);
      const stale = listed.stale ? unanswered(client.index, listed.since) : undefined;
      for (const [name, known] of this.#known) {
        if (listed.gone.includes(name)) this.#put(name, { ...known, stale: this.#gone() });
        else if (stale !== undefined) this.#put(name, { ...known, stale });
      }
      // An index that does not list its servers would let each further question run into its time-out.
      if (stale === undefined) await this.#readTools(listed.servers, problems, listed.since);
    } catch (error) {
      if (signal.aborted) return;
      problems.push(error instanceof Error ? error.message : String(error));
      for (const [name, known] of this.#known)
        this.#put(name, { ...known, stale: unanswered(client.index, known.since) });
    }
    if (signal.aborted) return;
    if (problems.length > 0)
      logger.warn({ index: client.index, problems: problems.slice(0, 3) }, 'remote index');
    this.#problems = few(problems);
    this.#show();
  }

  async #readTools(servers: readonly IndexServer[], problems: string[], since: number): Promise<void> {
    const queue = servers.values();
    const worker = async (): Promise<void> => {
      for (const server of queue) {
        problems.push(...(await this.#readServer(server, since)));
        if (Date.now() - this.#shownAt > SHOW_EVERY_MS) this.#show();
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
  }

  /** @returns what is to be told of the index as a whole. Rejects when the engine ends. */
  async #readServer(server: IndexServer, listedAt: number): Promise<string[]> {
    const { client } = this.#options;
    const { signal } = this.#closing;
    const { name } = server;
    try {
      const { tools, stale, since, problems } = await client.listTools(name, { signal });
      const why = stale ? unanswered(client.index, since) : undefined;
      this.#put(name, { server, tools, problems: stale ? [] : problems, stale: why, since });
      return [];
    } catch (error) {
      signal.throwIfAborted();
      const before = this.#known.get(name);
      const stale = `its tools could not be asked for at the index at ${client.index}`;
      const since = before?.since ?? listedAt;
      this.#put(name, { server, tools: before?.tools, problems: [], stale, since });
      const why = error instanceof Error ? error.message : String(error);
      return [`Server "${name}" of the index: its tools are not told. ${why}`];
    }
  }

  #show(): void {
    this.#shownAt = Date.now();
    this.#options.onChange();
  }

  #gone(): string {
    return `it is gone from the index at ${this.#options.client.index}`;
  }

  #put(name: string, known: Known): void {
    this.#known.set(name, known);
    const tools = known.tools?.map(({ tool }) => tool);
    const before = this.#definitions.get(name);
    const told: IndexedFacts = {
      title: known.server.title,
      summary: known.server.summary,
      capabilities: known.server.capabilities,
      limitations: known.server.limitations,
      tools,
      problems: known.problems,
      stale: known.stale,
      since: known.since,
      toolsHash: hashOf(before?.told, tools),
    };
    if (before && sameFacts(before.told, told)) return;
    this.#definitions.set(name, definitionOf(name, this.#options.client.index, told));
  }
}

function definitionOf(name: string, index: string, told: IndexedFacts): IndexedDefinition {
  return Object.freeze({
    transport: 'index',
    name,
    index,
    told,
    // The time for a start is that of the definition that the index gives when it is asked.
    startTimeoutMs: 30_000,
    idleTimeoutMs: 600_000,
    maxConcurrency: 64,
    sharing: 'shared',
    restart: 'on-failure',
    hints: [],
    blockedTools: [],
    disabled: false,
    overwrite: false,
    source: 'index',
  } satisfies IndexedDefinition);
}

function hashOf(before: IndexedFacts | undefined, tools: readonly ListedTool[] | undefined): string {
  return before !== undefined && before.tools === tools
    ? before.toolsHash
    : sha256(canonicalJson(tools ?? null));
}

/** Whether nothing but the time of telling differs. */
function sameFacts(one: IndexedFacts, other: IndexedFacts): boolean {
  const facts = ({ tools: _tools, since: _since, ...rest }: IndexedFacts) => canonicalJson(rest);
  return facts(one) === facts(other);
}

function unanswered(index: string, since: number): string {
  return `the index at ${index} does not answer; this is what it told at ${new Date(since).toISOString()}`;
}

function few(problems: readonly string[]): readonly string[] {
  const more = problems.length - MAX_PROBLEMS;
  return more > 0 ? [...problems.slice(0, MAX_PROBLEMS), `The index has ${more} more problems.`] : problems;
}
