// A home and a servers file for one bench, and front-ends that use it.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startClient } from './raw-client.mjs';
import { command, stopEngine } from './stop-engine.mjs';

const project = fileURLToPath(new URL('../..', import.meta.url));
const dist = process.env.BENCH_DIST ?? join(project, 'dist');
export const bare = join(project, 'bench/lib/bare-upstream.mjs');
export const everything = join(project, 'node_modules/@modelcontextprotocol/server-everything/dist/index.js');
export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** @param servers name -> the file of a server. */
export async function place(servers, more = {}) {
  const work = await mkdtemp(join(tmpdir(), 'mcp-runtime-bench-'));
  const entries = Object.entries(servers).map(([name, file]) => [
    name,
    { command: process.execPath, args: [file].flat() },
  ]);
  await writeFile(join(work, 'servers.json'), JSON.stringify({ mcpServers: Object.fromEntries(entries) }));
  const env = {
    MCP_RUNTIME_HOME: join(work, 'home'),
    MCP_RUNTIME_CONFIG: join(work, 'servers.json'),
    MAX_RESULT_TOKENS: '100000000',
    ENGINE_IDLE_TIMEOUT: '60',
    ...more,
  };
  const bin = join(dist, 'bin.js');
  return {
    env,
    servers,
    bin,
    front: async (...flags) => {
      const client = await startClient(process.execPath, [bin, 'serve', ...flags], env);
      return {
        ...client,
        execute: (server_name, tool_name, args = {}) =>
          client.call('execute_tool', { server_name, tool_name, arguments: args }),
      };
    },
    command: (...args) => command(args, env),
    stopEngine: () => stopEngine(env),
    remove: async () => {
      await stopEngine(env);
      await rm(work, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** Milliseconds that `work` took, and what it gave. */
export async function timed(work) {
  const begun = performance.now();
  const value = await work();
  return { ms: performance.now() - begun, value };
}
