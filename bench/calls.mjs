// A direct call to an upstream against the same call through execute_tool, side by side in one run, as ratios. The
// upstream is the barest one there is, so the ratios are the harshest; that of a real server stands in its own row.
//
//   node bench/calls.mjs [--quick] [--only=socket] [--json]        BENCH_DIST: another build than dist/
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cpu, latencies, memory, micros, quantile, ratio, throughput } from './lib/measure.mjs';
import { startClient } from './lib/raw-client.mjs';
import { command, stopEngine } from './lib/stop-engine.mjs';

const project = fileURLToPath(new URL('..', import.meta.url));
const dist = process.env.BENCH_DIST ?? join(project, 'dist');
const everything = join(project, 'node_modules/@modelcontextprotocol/server-everything/dist/index.js');
const bare = join(project, 'bench/lib/bare-upstream.mjs');
const MIB = 1_048_576;

const WAYS = {
  embedded: { flags: ['--engine', 'embedded'], env: {} },
  socket: { flags: [], env: { ENGINE_LINK: 'socket' } },
  zeromq: { flags: [], env: { ENGINE_LINK: 'zeromq' } },
};

export async function run({ quick = false, only = Object.keys(WAYS) } = {}) {
  const work = await mkdtemp(join(tmpdir(), 'mcp-runtime-bench-'));
  const config = join(work, 'servers.json');
  const server = (file) => ({ command: process.execPath, args: [file] });
  await writeFile(
    config,
    JSON.stringify({ mcpServers: { bare: server(bare), everything: server(everything) } }),
  );
  const sides = {
    direct: await directly(),
    ...Object.fromEntries(
      await Promise.all(only.map(async (way) => [way, await through(WAYS[way], join(work, way), config)])),
    ),
  };
  const rows = await measure(sides, quick ? 2 : 7, quick ? 300 : 1_000);
  await Promise.all(Object.values(sides).map((side) => side.close()));
  await rm(work, { recursive: true, force: true, maxRetries: 5 });
  return rows;
}

async function directly() {
  const [client, real] = await Promise.all(
    [bare, everything].map((file) => startClient(process.execPath, [file])),
  );
  return {
    call: (tool, args) => client.call(tool, args),
    real: () => real.call('echo', { message: 'hello' }),
    pids: [],
    close: () => Promise.all([client.close(), real.close()]),
  };
}

async function through({ flags, env: more }, home, config) {
  const env = {
    ...more,
    MCP_RUNTIME_HOME: home,
    MCP_RUNTIME_CONFIG: config,
    MAX_RESULT_TOKENS: '100000000',
    ENGINE_IDLE_TIMEOUT: '5',
  };
  const client = await startClient(process.execPath, [join(dist, 'bin.js'), 'serve', ...flags], env);
  const execute = (server_name, tool_name, args) =>
    client.call('execute_tool', { server_name, tool_name, arguments: args });
  await execute('everything', 'echo', { message: 'hello' });
  const { engine } = flags.length === 0 ? await command(['ps'], env) : {};
  return {
    call: (tool, args) => execute('bare', tool, args),
    real: () => execute('everything', 'echo', { message: 'hello' }),
    pids: [client.pid, ...(engine ? [engine.pid] : [])],
    close: async () => {
      await client.close();
      if (engine) await stopEngine(env);
    },
  };
}

/** Everything in turns, so that what else the machine does falls on all alike. */
async function measure(sides, rounds, count) {
  const ways = Object.entries(sides);
  const echo = (side) => () => side.call('echo', { message: 'hello' });
  const each = () => Object.fromEntries(ways.map(([name]) => [name, []]));
  const times = each();
  const real = each();
  const rates = { 8: each(), 64: each() };
  const cost = { 1: each(), 64: each() };
  // Until the compilers of all processes are done, a call costs several times what it does later.
  for (const [, side] of ways) await throughput(echo(side), 10 * count, 16);
  for (let round = 0; round < rounds; round++) {
    for (const [name, side] of ways) {
      const before = cpu(side.pids);
      times[name].push(...(await latencies(echo(side), count)));
      cost[1][name].push(((cpu(side.pids) - before) / count) * 1_000);
      real[name].push(...(await latencies(side.real, count / 10)));
    }
    for (const [inFlight, rate] of Object.entries(rates))
      for (const [name, side] of ways) {
        const before = cpu(side.pids);
        rate[name].push(await throughput(echo(side), 3 * count, Number(inFlight)));
        cost[inFlight]?.[name].push(((cpu(side.pids) - before) / (3 * count)) * 1_000);
      }
  }
  const large = { '1 MiB': each(), '10 MiB': each() };
  for (const [label, bytes, calls] of [
    ['1 MiB', MIB, 8],
    ['10 MiB', 10 * MIB, 3],
  ])
    for (let round = 0; round < rounds + 1; round++)
      for (const [name, side] of ways) {
        const samples = await latencies(() => side.call('blob', { bytes }), calls);
        if (round > 0) large[label][name].push(...samples);
      }

  const rows = [];
  const row = (measureName, samples, q, show, against = samples.direct) =>
    rows.push({
      measure: measureName,
      ...Object.fromEntries(
        ways.map(([name]) => {
          const value = quantile(samples[name], q);
          if (name === 'direct') return [name, against ? show(value) : '-'];
          return [name, against ? `${show(value)} ${ratio(value, quantile(against, q))}` : show(value)];
        }),
      ),
    });
  const millis = (ms) => `${ms.toFixed(1)} ms`;
  row('echo p50', times, 0.5, micros);
  row('echo p95', times, 0.95, micros);
  for (const inFlight of [8, 64])
    row(`calls/s, ${inFlight} in flight`, rates[inFlight], 0.5, (n) => `${n.toFixed(0)}/s`);
  for (const inFlight of [1, 64])
    row(`own CPU of 1,000 calls, ${inFlight} in flight`, cost[inFlight], 0.5, millis, null);
  for (const [label, samples] of Object.entries(large)) row(`result of ${label}, p50`, samples, 0.5, millis);
  row('echo of server-everything, p50', real, 0.5, micros);
  const used = (pids, key) => [pids.reduce((sum, pid) => sum + memory(pid)[key], 0)];
  for (const key of ['rss', 'pss'])
    row(
      `memory of ours after that, ${key.toUpperCase()}`,
      Object.fromEntries(ways.map(([name, { pids }]) => [name, used(pids, key)])),
      0.5,
      (mib) => `${mib.toFixed(0)} MiB`,
      null,
    );
  return rows;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const flag = (name) => process.argv.find((word) => word.startsWith(`--${name}`))?.split('=')[1];
  const rows = await run({
    quick: process.argv.includes('--quick'),
    ...(flag('only') ? { only: flag('only').split(',') } : {}),
  });
  if (process.argv.includes('--json')) console.log(JSON.stringify(rows));
  else console.table(rows);
}
