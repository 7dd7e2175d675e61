import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { afterEach } from 'vitest';
import { beginOracles, type Oracles } from './oracles.js';
import { eventually, fixture, type LoggedEvent, type Marker, readEvents, uniqueMarker } from './processes.js';

export const project = fileURLToPath(new URL('../..', import.meta.url));
/** The build under test; another one where that is named. */
export const bin = process.env['MCP_RUNTIME_BIN'] ?? join(project, 'dist', 'bin.js');

/** A real server out of the development dependencies. */
export const realServer = (name: 'everything' | 'filesystem' | 'memory'): string =>
  join(project, 'node_modules/@modelcontextprotocol', `server-${name}`, 'dist/index.js');

export interface CallResult {
  readonly content: readonly { type: string; text?: string; [key: string]: unknown }[];
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  readonly structuredContent: any;
  readonly isError?: boolean;
  readonly [key: string]: unknown;
}

/** A test's workplace: a home, a servers file, and front-ends that serve it. */
export interface Workplace {
  readonly folder: string;
  readonly home: string;
  readonly config: string;
  readonly marker: Marker;
  /** Environment for a front-end or a command. */
  readonly env: Record<string, string>;
  /** Writes the servers file; every server logs its events and carries the marker. */
  servers(entries: Record<string, Record<string, unknown>>): void;
  /** What the fixtures of one server logged. */
  events(server: string, ev?: string): LoggedEvent[];
  /** Runs a command of mcp-runtime with --json. @returns what it printed, and its exit code. */
  command(...args: string[]): Promise<{ exitCode: number; [key: string]: unknown }>;
  /** A client connected to a front-end of its own. */
  client(options?: {
    args?: string[];
    env?: Record<string, string>;
    name?: string;
    /** A shell command before it, such as `ulimit -n 160`. */
    limit?: string;
  }): Promise<RuntimeClient>;
}

export interface RuntimeClient {
  readonly sdk: Client;
  readonly pid: number;
  call(name: string, args?: Record<string, unknown>): Promise<CallResult>;
  /** `execute_tool`, its answer as one text. */
  execute(
    server: string,
    tool: string,
    args?: Record<string, unknown>,
    more?: Record<string, unknown>,
  ): Promise<CallResult>;
  /** Waits until no server is being learnt. */
  learnt(): Promise<void>;
  close(): Promise<void>;
}

export const textOf = (result: CallResult): string =>
  result.content.map((block) => block.text ?? `[${block.type}]`).join('\n');

/** An entry of the servers file that starts a fixture. */
export const node = (file: string, ...args: string[]): Record<string, unknown> => ({
  command: process.execPath,
  args: [file, ...args],
});
export const good = (...args: string[]): Record<string, unknown> => node(fixture('good-server.mjs'), ...args);

/** One workplace per test; afterwards its clients are closed, and no process of it may live. */
export function workplace(options: { engine?: 'embedded' | 'shared' } = {}): () => Workplace {
  let current: { place: Workplace; clients: RuntimeClient[]; oracles: Oracles } | undefined;
  afterEach(async () => {
    const used = current;
    current = undefined;
    if (!used) return;
    const failure = await used.oracles.verifyAlive().catch((error: unknown) => error);
    await Promise.all(used.clients.map((client) => client.close()));
    if (options.engine === 'shared') await used.place.command('engine', 'stop');
    await used.oracles.verifyGone(8_000);
    rmSync(used.place.folder, { recursive: true, force: true });
    if (failure) throw failure;
  });
  return () => {
    current ??= create(options.engine ?? 'embedded');
    return current.place;
  };
}

function create(engine: 'embedded' | 'shared'): {
  place: Workplace;
  clients: RuntimeClient[];
  oracles: Oracles;
} {
  const folder = mkdtempSync(join(tmpdir(), 'mcprt-e2e-'));
  const home = join(folder, 'home');
  const config = join(folder, 'servers.json');
  const marker = uniqueMarker();
  const clients: RuntimeClient[] = [];
  const oracles = beginOracles(marker);
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: folder,
    MCP_RUNTIME_HOME: home,
    MCP_RUNTIME_CONFIG: config,
    [marker.name]: marker.value,
  };
  const logOf = (server: string) => join(folder, `${server}.events`);
  const place: Workplace = {
    folder,
    home,
    config,
    marker,
    env,
    servers: (entries) => {
      const marked = Object.entries(entries).map(([name, entry]) => {
        if (entry['command'] === undefined) return [name, entry];
        const own = (entry['env'] ?? {}) as Record<string, string>;
        return [name, { ...entry, env: { HOSTILE_LOG: logOf(name), [marker.name]: marker.value, ...own } }];
      });
      writeFileSync(config, JSON.stringify({ mcpServers: Object.fromEntries(marked) }));
    },
    events: (server, ev) => readEvents(logOf(server)).filter((event) => ev === undefined || event.ev === ev),
    command: (...args) =>
      new Promise((resolve, reject) => {
        execFile(process.execPath, [bin, ...args, '--json'], { env }, (error, stdout) => {
          try {
            resolve({
              exitCode: typeof error?.code === 'number' ? error.code : 0,
              ...(JSON.parse(stdout) as object),
            });
          } catch {
            reject(new Error(`${args.join(' ')} printed no JSON: ${stdout} ${error?.message ?? ''}`));
          }
        });
      }),
    client: async ({ args = [], env: more = {}, name = 'test', limit } = {}) => {
      const words = [bin, 'serve', '--engine', engine, ...args];
      const transport = new StdioClientTransport({
        ...(limit === undefined
          ? { command: process.execPath, args: words }
          : { command: '/bin/sh', args: ['-c', `${limit} && exec "$0" "$@"`, process.execPath, ...words] }),
        env: { ...env, ...more },
        maxBufferSize: 256 * 1_048_576,
        stderr: 'pipe',
      });
      let said = '';
      transport.stderr?.on('data', (chunk: Buffer) => {
        said = (said + chunk.toString('utf8')).slice(-1_048_576);
        if (process.env['DEBUG_STDERR']) process.stderr.write(chunk);
      });
      oracles.watchStderr(() => said);
      const sdk = new Client({ name, version: '1' });
      let open = true;
      sdk.onclose = () => {
        open = false;
      };
      await sdk.connect(transport);
      const client = wrap(sdk, transport.pid ?? 0, oracles);
      oracles.health(async () => (open ? client.call('get_statistics').catch(() => {}) : undefined));
      clients.push(client);
      return client;
    },
  };
  return { place, clients, oracles };
}

function wrap(sdk: Client, pid: number, { ledger }: Oracles): RuntimeClient {
  const call = async (name: string, args: Record<string, unknown> = {}) =>
    (await ledger.track(
      sdk.callTool({ name, arguments: args }, { timeout: 120_000 }),
    )) as unknown as CallResult;
  return {
    sdk,
    pid,
    call,
    execute: (server_name, tool_name, args = {}, more = {}) =>
      call('execute_tool', { server_name, tool_name, arguments: args, ...more }),
    learnt: async () => {
      await eventually(async () => {
        const { structuredContent } = await call('get_statistics');
        return structuredContent.learning.waiting === 0;
      }, 30_000);
    },
    close: () => sdk.close(),
  };
}
