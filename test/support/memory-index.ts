import { RuntimeError } from '../../src/core/errors.js';
import type { SealedStartup } from '../../src/http/index-api/seal.js';
import type { IndexStore, ServerToIndex, StoredServer, StoredTool } from '../../src/http/index-api/store.js';

/** An index in memory. A server whose command is `fails` cannot be started; every other has two tools. */
export function memoryIndex() {
  const kept = new Map<
    string,
    { server: StoredServer; tools: StoredTool[]; sealed: SealedStartup; indexed: number }
  >();

  function learn({ name, startup, sealed }: ServerToIndex): StoredServer {
    if (startup.transport === 'stdio' && startup.command === 'fails') {
      throw new RuntimeError('SERVER_START_FAILED', `Server "${name}" ended at once.`, {
        hint: 'Look at its stderr.',
      });
    }
    const tools = ['read_file', 'write file/ü'].map((tool) => ({
      server: name,
      tool: {
        name: tool,
        description: `${tool} of ${name}`,
        inputSchema: { type: 'object', properties: { tool_name: { type: 'string' } } },
      },
    }));
    const server = {
      name,
      title: name.toUpperCase(),
      summary: 'Files.',
      capabilities: ['files'],
      limitations: [],
      toolCount: tools.length,
    };
    kept.set(name, { server, tools, sealed, indexed: (kept.get(name)?.indexed ?? 0) + 1 });
    return server;
  }

  const store: IndexStore = {
    list: async ({ limit, offset }) =>
      [...kept.values()].map(({ server }) => server).slice(offset, offset + limit),
    get: async (name) => kept.get(name)?.server,
    tools: async (name, { limit, offset }) => kept.get(name)?.tools.slice(offset, offset + limit),
    tool: async (name, tool) => kept.get(name)?.tools.find((one) => one.tool.name === tool),
    command: async (name) => kept.get(name)?.sealed,
    add: async (server) => learn(server),
    update: async (server) => learn(server),
    remove: async (name) => kept.delete(name),
    searchTools: async ({ query, limit, serverNames }) =>
      [...kept.values()]
        .flatMap(({ tools }) => tools)
        .filter(
          ({ server, tool }) =>
            (tool.description ?? '').includes(query) && (serverNames?.includes(server) ?? true),
        )
        .slice(0, limit)
        .map((tool) => ({ ...tool, score: 0.75 })),
    searchServers: async ({ query, limit }) =>
      [...kept.values()]
        .filter(({ server }) => server.name.includes(query))
        .slice(0, limit)
        .map(({ server }) => ({ ...server, score: 0.5 })),
    statistics: async () => ({
      servers: kept.size,
      tools: [...kept.values()].reduce((sum, { tools }) => sum + tools.length, 0),
    }),
  };
  return { store, kept };
}
