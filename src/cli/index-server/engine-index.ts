import type { CatalogEntry } from '../../catalog/entry.js';
import type { ServersFile } from '../../config/servers-file.js';
import { RuntimeError } from '../../core/errors.js';
import type { ListedTool, ServerDefinition } from '../../core/server.js';
import type { RuntimeEngine } from '../../engine/engine.js';
import { type SealedStartup, sealStartup } from '../../http/index-api/seal.js';
import type {
  IndexStore,
  PageRequest,
  ServerQuery,
  ServerToIndex,
  StoredServer,
  StoredTool,
  ToolQuery,
} from '../../http/index-api/store.js';
import { commandCaller } from '../runtime.js';
import { definitionOf, refuseHarmful, startupOf } from './definitions.js';
import type { StartupStore } from './startup-store.js';

interface Served {
  readonly sealed: SealedStartup;
  /** Undefined when what is stored cannot be read. */
  readonly definition: ServerDefinition | undefined;
  readonly from: 'api' | 'file';
}

/** An index over an engine: servers are started and learnt by the same supervisor and learner as everywhere. */
export class EngineIndex implements IndexStore {
  readonly #engine: RuntimeEngine;
  readonly #startups: StartupStore;
  readonly #key: string | undefined;
  readonly #mayRun: (definition: ServerDefinition) => void;
  readonly #served = new Map<string, Served>();
  /** Being added or updated: known to the engine, and not yet to those who ask. */
  readonly #pending = new Map<string, ServerDefinition>();

  /** @param options `mayRun` refuses, by throwing, what nobody agreed to run. */
  constructor(options: {
    engine: RuntimeEngine;
    startups: StartupStore;
    key: string | undefined;
    mayRun: (definition: ServerDefinition) => void;
  }) {
    this.#engine = options.engine;
    this.#mayRun = options.mayRun;
    this.#startups = options.startups;
    this.#key = options.key;
    for (const { name, sealed, startup } of options.startups.all()) {
      const definition = startup && definitionOf(name, startup);
      this.#served.set(name, { sealed, definition, from: 'api' });
    }
  }

  /** Makes what is stored, and the servers of a file, known to the engine. @returns what of the file is left out. */
  async serve(file: ServersFile | undefined): Promise<string[]> {
    const left: string[] = [];
    for (const [name, { from }] of this.#served) if (from === 'file') this.#served.delete(name);
    for (const definition of file?.definitions ?? []) {
      const startup = startupOf(definition);
      if (typeof startup === 'string')
        left.push(`Server "${definition.name}" of the file is not served: ${startup}.`);
      else if (this.#served.has(definition.name))
        left.push(`Server "${definition.name}" of the file is not served: one of that name was added.`);
      else
        this.#served.set(definition.name, {
          sealed: sealStartup(startup, this.#key),
          definition,
          from: 'file',
        });
    }
    await this.#apply();
    return left;
  }

  /** By name, so that pages fit together whatever was added first, and after a restart too. */
  async list({ limit, offset }: PageRequest): Promise<StoredServer[]> {
    return [...this.#served.keys()]
      .sort()
      .slice(offset, offset + limit)
      .map((name) => this.#server(name));
  }

  async get(name: string): Promise<StoredServer | undefined> {
    return this.#served.has(name) ? this.#server(name) : undefined;
  }

  async tools(name: string, { limit, offset }: PageRequest): Promise<StoredTool[] | undefined> {
    if (!this.#served.has(name)) return undefined;
    const tools = this.#engine.catalog.get(name)?.tools ?? [];
    return tools.slice(offset, offset + limit).map((tool) => ({ server: name, tool }));
  }

  async tool(server: string, name: string): Promise<StoredTool | undefined> {
    const tool = this.#tool(server, name);
    return tool && { server, tool };
  }

  async command(name: string): Promise<SealedStartup | undefined> {
    return this.#served.get(name)?.sealed;
  }

  async add(server: ServerToIndex): Promise<StoredServer> {
    refuseHarmful(server.name, server.startup);
    return this.#learn(server);
  }

  async update(server: ServerToIndex): Promise<StoredServer> {
    this.#refuseFile(server.name);
    refuseHarmful(server.name, server.startup);
    return this.#learn(server);
  }

  async remove(name: string): Promise<boolean> {
    if (!this.#served.has(name)) return false;
    this.#refuseFile(name);
    this.#startups.remove(name);
    this.#served.delete(name);
    await this.#apply();
    return true;
  }

  async searchTools(query: ToolQuery): Promise<StoredTool[]> {
    // Whatever is behind the runtime is an MCP tool.
    if (query.type !== undefined && query.type !== 'mcp') return [];
    const { hits } = await this.#engine.catalog.searchTools({
      query: query.query,
      limit: query.limit,
      minScore: query.minScore,
      servers: query.serverNames ?? [...this.#served.keys()],
      enabled: query.enabled,
    });
    return hits.flatMap(({ server, tool: name, score }) => {
      const tool = this.#tool(server, name);
      return tool ? [{ server, tool, score }] : [];
    });
  }

  async searchServers(query: ServerQuery): Promise<StoredServer[]> {
    const { hits } = await this.#engine.catalog.searchServers(query);
    return hits.flatMap(({ server, score }) =>
      this.#served.has(server) ? [{ ...this.#server(server), score }] : [],
    );
  }

  async statistics(): Promise<{ servers: number; tools: number }> {
    const names = [...this.#served.keys()];
    const tools = names.reduce((sum, name) => sum + (this.#engine.catalog.get(name)?.tools.length ?? 0), 0);
    return { servers: names.length, tools };
  }

  /** Starts it, lists its tools, and only then stores it. When that fails, what was there before is there again. */
  async #learn({ name, startup, sealed, alpha, signal }: ServerToIndex): Promise<StoredServer> {
    if (this.#pending.has(name))
      throw new RuntimeError('INVALID_ARGUMENTS', `Server '${name}' is being indexed already.`);
    const definition = definitionOf(name, startup);
    this.#mayRun(definition);
    this.#pending.set(name, definition);
    try {
      await this.#apply();
      const { servers } = await this.#engine.learn_servers(
        { server_names: [name], again: true },
        { caller: commandCaller('index'), signal },
      );
      const [outcome] = servers;
      if (outcome?.outcome !== 'learnt' && outcome?.outcome !== 'unchanged') {
        throw new RuntimeError(
          'SERVER_START_FAILED',
          outcome?.problem ?? `Server '${name}' was not learnt.`,
          {
            hint: 'Run its command by hand and look at what it says.',
          },
        );
      }
      this.#startups.put(name, sealed, alpha);
      this.#served.set(name, { sealed, definition, from: 'api' });
    } finally {
      this.#pending.delete(name);
      await this.#apply();
    }
    return this.#server(name);
  }

  async #apply(): Promise<void> {
    const definitions = new Map<string, ServerDefinition>();
    for (const [name, { definition }] of this.#served) if (definition) definitions.set(name, definition);
    for (const [name, definition] of this.#pending) definitions.set(name, definition);
    await this.#engine.applyServers({ path: '', definitions: [...definitions.values()], problems: [] });
  }

  #refuseFile(name: string): void {
    if (this.#served.get(name)?.from !== 'file') return;
    throw new RuntimeError('FORBIDDEN', `Server '${name}' stands in the servers file of the index.`, {
      hint: 'Change it there.',
    });
  }

  #tool(server: string, name: string): ListedTool | undefined {
    return this.#served.has(server) ? this.#engine.catalog.tool(server, name) : undefined;
  }

  #server(name: string): StoredServer {
    const entry = this.#engine.catalog.get(name);
    return entry ? shown(entry) : unreadable(name);
  }
}

function shown({ definition, description, tools, stale }: CatalogEntry): StoredServer {
  const { title, summary, capabilities, limitations } = description;
  return {
    name: definition.name,
    title,
    summary,
    capabilities,
    limitations: stale === undefined ? limitations : [...limitations, `may be out of date: ${stale}`],
    toolCount: tools.length,
  };
}

function unreadable(name: string): StoredServer {
  return {
    name,
    summary: 'Its stored startup configuration is damaged.',
    capabilities: [],
    limitations: ['cannot be started; add it again'],
    toolCount: 0,
  };
}
