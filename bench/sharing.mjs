// Five clients with ten servers: one shared engine against each client starting its own. Linux only.
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { memory } from './lib/measure.mjs';
import { startClient } from './lib/raw-client.mjs';
import { stopEngine } from './lib/stop-engine.mjs';

const project = fileURLToPath(new URL('..', import.meta.url));
const everything = join(project, 'node_modules/@modelcontextprotocol/server-everything/dist/index.js');
const CLIENTS = 5;
const SERVERS = 10;

export async function run() {
  const rows = [];
  for (const engine of ['embedded', 'shared']) rows.push({ engine, ...(await measure(engine)) });
  const [own, shared] = rows;
  rows.push({
    engine: 'ratio',
    processes: (own.processes / shared.processes).toFixed(1),
    pss: (own.pss / shared.pss).toFixed(1),
    rss: (own.rss / shared.rss).toFixed(1),
  });
  return rows;
}

async function measure(engine) {
  const work = await mkdtemp(join(tmpdir(), 'mcp-runtime-bench-'));
  const mark = randomUUID();
  const names = Array.from({ length: SERVERS }, (_, index) => `s${index}`);
  const server = { command: process.execPath, args: [everything], env: { BENCH_MARK: mark } };
  await writeFile(
    join(work, 'servers.json'),
    JSON.stringify({ mcpServers: Object.fromEntries(names.map((name) => [name, server])) }),
  );
  const env = {
    MCP_RUNTIME_HOME: join(work, 'home'),
    MCP_RUNTIME_CONFIG: join(work, 'servers.json'),
    BENCH_MARK: mark,
  };
  const clients = await Promise.all(
    Array.from({ length: CLIENTS }, () =>
      startClient(process.execPath, [join(project, 'dist/bin.js'), 'serve', '--engine', engine], env),
    ),
  );
  try {
    for (const client of clients)
      for (const name of names)
        await client.call('execute_tool', {
          server_name: name,
          tool_name: 'echo',
          arguments: { message: 'hi' },
        });
    const used = pidsWith(`BENCH_MARK=${mark}`).map(memory);
    const sum = (key) => Math.round(used.reduce((total, one) => total + one[key], 0));
    return { processes: used.length, pss: sum('pss'), rss: sum('rss') };
  } finally {
    await Promise.all(clients.map((client) => client.close()));
    if (engine === 'shared') await stopEngine(env);
    await rm(work, { recursive: true, force: true, maxRetries: 5 });
  }
}

function pidsWith(entry) {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(entry);
      } catch {
        return false;
      }
    })
    .map(Number);
}
