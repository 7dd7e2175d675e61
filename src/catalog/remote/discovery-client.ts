import { RuntimeError } from '../../core/errors.js';
import type { ServerDefinition } from '../../core/server.js';
import { expectList, expectWhole, garbage, readBulkAnswer, readServerAnswer } from './answers.js';
import { addBody, searchBody } from './bodies.js';
import { type CallOptions, IndexAccess, type IndexAccessOptions } from './index-access.js';
import { quoted, readEach, readServer, readTool } from './read.js';
import { type DefinitionDefaults, readStartup } from './startup.js';
import type {
  BulkAnswer,
  Freshness,
  IndexServer,
  IndexServerInput,
  IndexTool,
  SearchQuery,
  ToolSearchQuery,
} from './types.js';

export interface DiscoveryClientOptions extends IndexAccessOptions {
  readonly defaults?: DefinitionDefaults | undefined;
}

const DEFAULTS: DefinitionDefaults = {
  idleTimeoutMs: 600_000,
  maxConcurrency: 64,
  sharing: 'shared',
  restart: 'on-failure',
};

/**
 * The client of a remote mcp_index, in whichever spelling it answers. Reads are retried, shared, cached, and served
 * from the last good copy (`stale`) when the index is down; writes are sent once. Every method rejects with a
 * RuntimeError, or with the reason of the caller's signal; INDEX_UNAVAILABLE names the index and never a key.
 */
export class DiscoveryClient {
  /** The index as it may be shown. */
  readonly index: string;
  readonly #access: IndexAccess;
  readonly #options: DiscoveryClientOptions;

  /** @throws RuntimeError CONFIG_INVALID when the address or a key cannot be one. */
  constructor(options: DiscoveryClientOptions) {
    this.#options = options;
    this.#access = new IndexAccess(options);
    this.index = this.#access.index;
  }

  async searchTools(
    query: ToolSearchQuery,
    options: CallOptions = {},
  ): Promise<{ tools: readonly IndexTool[] } & Freshness> {
    const json = {
      ...searchBody(query),
      ...(query.serverNames === undefined ? {} : { server_names: query.serverNames }),
      ...(query.type === undefined ? {} : { type: query.type }),
      ...(query.enabled === undefined ? {} : { enabled: query.enabled }),
    };
    return this.#access.read(`search-tools ${JSON.stringify(json)}`, options, async (reading) => {
      const answer = await this.#access.object({
        method: 'POST',
        path: ['tools', 'search'],
        json,
        ...reading,
      });
      const { good, problems } = readEach(expectList(answer, 'tools', this.index), (entry) =>
        readTool(entry),
      );
      return { value: { tools: good }, problems };
    });
  }

  async searchServers(
    query: SearchQuery,
    options: CallOptions = {},
  ): Promise<{ servers: readonly IndexServer[] } & Freshness> {
    const json = searchBody(query);
    return this.#access.read(`search-servers ${JSON.stringify(json)}`, options, async (reading) => {
      const answer = await this.#access.object({
        method: 'POST',
        path: ['servers', 'search'],
        json,
        ...reading,
      });
      const { good, problems } = readEach(expectList(answer, 'servers', this.index), readServer);
      return { value: { servers: good }, problems };
    });
  }

  /** All pages. `gone`: names that the last good list had and this one has not; what is known of them stays valid. */
  async listServers(
    options: CallOptions = {},
  ): Promise<{ servers: readonly IndexServer[]; gone: readonly string[] } & Freshness> {
    type Listed = { servers: readonly IndexServer[]; gone: readonly string[] };
    return this.#access.read<Listed>('servers', options, async (reading, previous) => {
      const { good, problems } = readEach(
        await this.#access.pages(['servers'], 'servers', reading),
        readServer,
      );
      const servers = withoutDoubles(good, (server) => server.name, problems);
      const names = new Set(servers.map((server) => server.name));
      const before = [...(previous?.servers.map((server) => server.name) ?? []), ...(previous?.gone ?? [])];
      return { value: { servers, gone: before.filter((name) => !names.has(name)) }, problems };
    });
  }

  /** The last good lists as they are kept, without asking: what a start can show at once. */
  recall(): {
    servers: readonly IndexServer[];
    gone: readonly string[];
    since: number;
    toolsOf(server: string): { tools: readonly IndexTool[]; since: number } | undefined;
  } {
    const listed = this.#access.recall<{ servers: readonly IndexServer[]; gone: readonly string[] }>(
      'servers',
    );
    return {
      servers: listed?.value.servers ?? [],
      gone: listed?.value.gone ?? [],
      since: listed?.at ?? 0,
      toolsOf: (server) => {
        const kept = this.#access.recall<{ tools: readonly IndexTool[] }>(`tools ${server}`);
        return kept && { tools: kept.value.tools, since: kept.at };
      },
    };
  }

  /** @throws RuntimeError SERVER_NOT_FOUND */
  async getServer(name: string, options: CallOptions = {}): Promise<{ server: IndexServer } & Freshness> {
    return this.#access.read(`server ${name}`, options, async (reading) => {
      const answer = await this.#access.object(
        { method: 'GET', path: ['servers', name], ...reading },
        this.#noServer(name),
      );
      const server = readServerAnswer(answer, this.index);
      if (server.name !== name)
        throw garbage(this.index, `server ${quoted(server.name)} for ${quoted(name)}`);
      return { value: { server }, problems: [] };
    });
  }

  /** All pages. @throws RuntimeError SERVER_NOT_FOUND */
  async listTools(
    server: string,
    options: CallOptions = {},
  ): Promise<{ tools: readonly IndexTool[] } & Freshness> {
    return this.#access.read(`tools ${server}`, options, async (reading) => {
      const entries = await this.#access.pages(
        ['servers', server, 'tools'],
        'tools',
        reading,
        this.#noServer(server),
      );
      const { good, problems } = readEach(entries, (entry) => readTool(entry, server));
      return { value: { tools: withoutDoubles(good, ({ tool }) => tool.name, problems) }, problems };
    });
  }

  /** @throws RuntimeError TOOL_NOT_FOUND, also when the index knows no such server. */
  async getTool(
    server: string,
    tool: string,
    options: CallOptions = {},
  ): Promise<{ tool: IndexTool } & Freshness> {
    return this.#access.read(`tool ${JSON.stringify([server, tool])}`, options, async (reading) => {
      const missing = () =>
        new RuntimeError(
          'TOOL_NOT_FOUND',
          `The index at ${this.index} knows no tool ${quoted(tool)} of server ${quoted(server)}.`,
        );
      const answer = await this.#access.object(
        { method: 'GET', path: ['servers', server, 'tools', tool], ...reading },
        missing,
      );
      const found = expectWhole(this.index, () => readTool(answer['tool'] ?? answer, server));
      if (found.tool.name !== tool)
        throw garbage(this.index, `tool ${quoted(found.tool.name)} for ${quoted(tool)}`);
      return { value: { tool: found }, problems: [] };
    });
  }

  /**
   * How to start a server, decrypted and checked.
   * @throws RuntimeError SERVER_NOT_FOUND; CONFIG_INVALID when it makes no sense or the key does not fit; FORBIDDEN
   * when an index may not ask for it.
   */
  async getCommand(
    name: string,
    options: CallOptions = {},
  ): Promise<{ definition: ServerDefinition } & Freshness> {
    return this.#access.read(
      `command ${name}`,
      options,
      async (reading) => {
        const ask = {
          method: 'GET',
          path: ['servers', name, 'command'],
          withEncryptionKey: true,
          ...reading,
        } as const;
        const definition = readStartup(await this.#access.object(ask, this.#noServer(name)), {
          index: this.index,
          server: name,
          encryptionKey: this.#options.encryptionKey || undefined,
          defaults: this.#options.defaults ?? DEFAULTS,
        });
        return { value: { definition }, problems: [] };
      },
      // What is run is asked for each time, and a key that was withdrawn ends its use at once.
      { freshMs: 0, endsWithKey: true },
    );
  }

  async statistics(
    options: CallOptions = {},
  ): Promise<{ totalServers: number; totalTools: number } & Freshness> {
    return this.#access.read('statistics', options, async (reading) => {
      const answer = await this.#access.object({ method: 'GET', path: ['statistics'], ...reading });
      const totalServers = answer['total_servers'] ?? answer['totalServers'];
      const totalTools = answer['total_tools'] ?? answer['totalTools'];
      if (typeof totalServers !== 'number' || typeof totalTools !== 'number')
        throw garbage(this.index, 'statistics without numbers');
      return { value: { totalServers, totalTools }, problems: [] };
    });
  }

  /** Sent once. @throws RuntimeError INVALID_ARGUMENTS, SERVER_START_FAILED */
  async addServer(input: IndexServerInput, options: CallOptions = {}): Promise<IndexServer> {
    const answer = await this.#access.write(
      { method: 'POST', path: ['servers'], json: addBody(input) },
      options,
    );
    return readServerAnswer(answer, this.index);
  }

  /** @param servers entries of an `mcpServers` object, by name. Each is reported for itself. */
  async addServersBulk(
    servers: Readonly<Record<string, unknown>>,
    options: CallOptions = {},
  ): Promise<BulkAnswer> {
    const form = new FormData();
    form.set(
      'file',
      new Blob([JSON.stringify({ mcpServers: servers })], { type: 'application/json' }),
      'servers.json',
    );
    return readBulkAnswer(
      await this.#access.write({ method: 'POST', path: ['servers', 'bulk'], form }, options),
      this.index,
    );
  }

  /** @throws RuntimeError SERVER_NOT_FOUND, INVALID_ARGUMENTS, SERVER_START_FAILED */
  async updateServer(
    name: string,
    changes: Pick<IndexServerInput, 'command' | 'args' | 'env'>,
    options: CallOptions = {},
  ): Promise<IndexServer> {
    const ask = { method: 'PUT', path: ['servers', name], json: changes } as const;
    return readServerAnswer(await this.#access.write(ask, options, this.#noServer(name)), this.index);
  }

  /** @throws RuntimeError SERVER_NOT_FOUND */
  async deleteServer(name: string, options: CallOptions = {}): Promise<void> {
    await this.#access.write({ method: 'DELETE', path: ['servers', name] }, options, this.#noServer(name));
    this.#access.forget([`server ${name}`, `tools ${name}`, `command ${name}`]);
  }

  /** Ends what is on its way and saves what is to be kept. */
  close(): void {
    this.#access.close();
  }

  #noServer(name: string): () => RuntimeError {
    return () =>
      new RuntimeError('SERVER_NOT_FOUND', `The index at ${this.index} knows no server ${quoted(name)}.`);
  }
}

function withoutDoubles<T>(entries: readonly T[], nameOf: (entry: T) => string, problems: string[]): T[] {
  const byName = new Map<string, T>();
  for (const entry of entries) {
    const name = nameOf(entry);
    if (byName.has(name))
      problems.push(`Left out: ${quoted(name)} is there more than once; the first one counts.`);
    else byName.set(name, entry);
  }
  return [...byName.values()];
}
