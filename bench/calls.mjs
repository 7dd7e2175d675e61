// A direct call to an upstream against the same call through execute_tool, side by side in one run, as ratios.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { latencies, memory, micros, quantile, ratio, throughput } from './lib/measure.mjs';
import { startClient } from './lib/raw-client.mjs';
import { command, stopEngine } from './lib/stop-engine.mjs';

const project = fileURLToPath(new URL('..', import.meta.url));
const everything = join(project, 'node_modules/@modelcontextprotocol/server-everything/dist/index.js');
const good = join(project, 'test/fixtures/good-server.mjs');
const ROUNDS = 5;

export async function run({ engine = 'shared' } = {}) {
  const work = await mkdtemp(join(tmpdir(), 'mcp-runtime-bench-'));
  const home = join(work, 'home');
  const config = join(work, 'servers.json');
  await writeFile(
    config,
    JSON.stringify({
      mcpServers: {
        everything: { command: process.execPath, args: [everything] },
        good: { command: process.execPath, args: [good] },
      },
    }),
  );
  const env = {
    MCP_RUNTIME_HOME: home,
    MCP_RUNTIME_CONFIG: config,
    MAX_RESULT_TOKENS: '100000000',
    ENGINE_IDLE_TIMEOUT: '5',
  };
  const direct = await startClient(process.execPath, [everything]);
  const directGood = await startClient(process.execPath, [good]);
  const through = await startClient(
    process.execPath,
    [join(project, 'dist/bin.js'), 'serve', '--engine', engine],
    env,
  );
  const execute = (server_name, tool_name, args) =>
    through.call('execute_tool', { server_name, tool_name, arguments: args });

  const ways = {
    direct: () => direct.call('echo', { message: 'hello' }),
    through: () => execute('everything', 'echo', { message: 'hello' }),
  };
  const rows = [];
  const row = (measure, a, b, show) =>
    rows.push({ measure, direct: show(a), through: show(b), ratio: ratio(b, a) });

  for (const way of Object.values(ways)) await throughput(way, 500, 8);
  const samples = { direct: [], through: [] };
  // Interleaved, so that what else the machine does falls on both alike.
  for (let round = 0; round < ROUNDS; round++)
    for (const [name, way] of Object.entries(ways)) samples[name].push(...(await latencies(way, 400)));
  for (const q of [0.5, 0.99])
    row(`echo p${q * 100}`, quantile(samples.direct, q), quantile(samples.through, q), micros);

  for (const inFlight of [1, 8, 64]) {
    const rates = { direct: [], through: [] };
    for (let round = 0; round < ROUNDS; round++)
      for (const [name, way] of Object.entries(ways)) rates[name].push(await throughput(way, 1000, inFlight));
    row(
      `echo calls/s, ${inFlight} in flight`,
      quantile(rates.direct, 0.5),
      quantile(rates.through, 0.5),
      (n) => `${n.toFixed(0)}/s`,
    );
  }

  for (const [label, bytes, count] of [
    ['1 MiB', 1_048_576, 8],
    ['10 MiB', 10_485_760, 3],
  ]) {
    const large = { direct: [], through: [] };
    await execute('good', 'blob', { bytes });
    for (let round = 0; round < ROUNDS; round++) {
      large.direct.push(...(await latencies(() => directGood.call('blob', { bytes }), count)));
      large.through.push(...(await latencies(() => execute('good', 'blob', { bytes }), count)));
    }
    row(
      `result of ${label}, p50`,
      quantile(large.direct, 0.5),
      quantile(large.through, 0.5),
      (ms) => `${ms.toFixed(1)} ms`,
    );
  }

  const status = engine === 'shared' ? await command(['ps'], env) : {};
  const pids = [through.pid, ...(status.engine ? [status.engine.pid] : [])];
  const used = pids.map(memory);
  const sum = (key) => used.reduce((total, one) => total + one[key], 0);
  rows.push({
    measure: 'memory of ours after that (RSS / PSS)',
    direct: '-',
    through: `${sum('rss').toFixed(0)} / ${sum('pss').toFixed(0)} MiB`,
    ratio: '',
  });

  await Promise.all([direct.close(), directGood.close(), through.close()]);
  if (engine === 'shared') await stopEngine(env);
  await rm(work, { recursive: true, force: true, maxRetries: 5 });
  return rows;
}
