// What the hop between a front-end and the engine costs: one call of execute_tool through the wire client and server,
// two processes, against the same call in one process. Both processes are pinned to one core where taskset is there.
//
//   node bench/wire.mjs [--quick] [--soak]     prints a table, and JSON with --json
//
// --soak: 1,000 connections opened and closed per link instead, with descriptors and memory before and after.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const dist = process.env.WIRE_DIST ?? new URL('../dist', import.meta.url).href;
const load = (file) => import(`${dist}/${file}`);
const { Payload } = await load('core/payload.js');
const { invoke } = await load('operations/invoke.js');
const { operationNames } = await load('operations/table.js');
const { connectRuntime } = await load('wire/client.js');
const { linkTo } = await load('wire/link-address.js');

const KIB = 1024;
const SIZES = { '200 B': 200, '1 MiB': KIB * KIB, '10 MiB': 10 * KIB * KIB };

/** The answer of an upstream as the engine has it: bytes. The copy stands for the read from its pipe. */
function createPort() {
  const bodies = new Map();
  const body = (size) => {
    if (!bodies.has(size))
      bodies.set(
        size,
        Buffer.from(JSON.stringify({ content: [{ type: 'text', text: 'x'.repeat(size - 50) }] })),
      );
    return bodies.get(size);
  };
  const none = async () => ({});
  return {
    ...Object.fromEntries(operationNames.map((name) => [name, none])),
    execute_tool: async ({ arguments: { size } }) => ({
      status: 'completed',
      result: Payload.fromBytes(Buffer.from(body(size))),
    }),
    attach: () => () => {},
    subscribe: () => () => {},
  };
}

async function engine(kind, path) {
  const { serveRuntime } = await load('wire/server.js');
  const { listenSocket } = await load('wire/socket-link.js');
  const { listenZeromq } = await load('wire/zeromq-server.js');
  const { loadZeromq } = await load('wire/zeromq-module.js');
  const zeromq = kind === 'zeromq' ? await loadZeromq() : undefined;
  const listen = (accept) =>
    zeromq ? listenZeromq(zeromq, `ipc://${path}`, accept) : listenSocket(path, accept);
  const server = await serveRuntime({ port: createPort(), listen: [listen], version: '0', pid: process.pid });
  process.on('message', (ask) => {
    if (ask !== 'facts') return;
    const { user, system } = process.cpuUsage();
    const fds = readdirSync('/proc/self/fd').length;
    process.send({ cpu: user + system, rss: process.memoryUsage().rss, fds });
  });
  process.on('disconnect', () => server.close().then(() => process.exit(0)));
  process.send(server.links[0].address);
}

const caller = { principal: 'local', clientId: randomUUID() };
/** As a face does it: a signal per call. */
const context = () => ({ caller, signal: new AbortController().signal });
const input = (size) => ({
  server_name: 'bench',
  tool_name: 'echo',
  arguments: { size, text: 'x'.repeat(100) },
});
const at = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];

/** CPU time of both ends, us: the figure that a loaded machine does not spoil. */
async function cpu(host) {
  const { user, system } = process.cpuUsage();
  return user + system + (host ? (await host.facts()).cpu : 0);
}

async function latency(port, size, rounds, host) {
  const times = [];
  const warm = Math.ceil(rounds / 5);
  let cpuBefore = 0;
  for (let n = 0; n < rounds + warm; n += 1) {
    if (n === warm) cpuBefore = await cpu(host);
    const began = performance.now();
    const { result } = await invoke(port, 'execute_tool', input(size), context());
    if (result.byteLength < size - 50) throw new Error('a short answer');
    if (n >= warm) times.push((performance.now() - began) * 1000);
  }
  const spent = (await cpu(host)) - cpuBefore;
  times.sort((a, b) => a - b);
  return { p50us: at(times, 0.5), p95us: at(times, 0.95), cpuUs: spent / rounds };
}

async function throughput(port, size, rounds, width = 64) {
  let left = rounds;
  const began = performance.now();
  await Promise.all(
    Array.from({ length: width }, async () => {
      while (left > 0) {
        left -= 1;
        await invoke(port, 'execute_tool', input(size), context());
      }
    }),
  );
  return rounds / ((performance.now() - began) / 1000);
}

async function measure(port, quick, host) {
  const counts = quick ? [3_000, 60, 15] : [20_000, 300, 60];
  const rows = {};
  for (const [n, [name, size]] of Object.entries(SIZES).entries()) {
    const rounds = counts[n];
    const times = await latency(port, size, rounds, host);
    const perSecond = await throughput(port, size, rounds, size > KIB * KIB ? 4 : 64);
    rows[name] = { ...times, perSecond };
  }
  return rows;
}

function startEngine(kind, path) {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), 'engine', kind, path], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const next = () => new Promise((resolve) => child.once('message', resolve));
  return {
    ready: next(),
    facts: () => {
      const answer = next();
      child.send('facts');
      return answer;
    },
    stop: () =>
      new Promise((resolve) => {
        child.once('exit', resolve);
        child.disconnect();
      }),
  };
}

async function soak(kind, address, host) {
  const cycle = async () => {
    const port = await connectRuntime({ link: linkTo(address), version: '0' });
    await invoke(port, 'execute_tool', input(200), context());
    await port.close();
  };
  for (let n = 0; n < 50; n += 1) await cycle();
  const settle = () => new Promise((resolve) => setTimeout(resolve, 1_500));
  const own = () => ({ rss: process.memoryUsage().rss, fds: readdirSync('/proc/self/fd').length });
  await settle();
  const before = { front: own(), engine: await host.facts() };
  for (let n = 0; n < 1_000; n += 1) await cycle();
  await settle();
  return { kind, before, after: { front: own(), engine: await host.facts() } };
}

const [mode, ...rest] = process.argv.slice(2);
if (mode === 'engine') await engine(...rest);
else {
  const flags = new Set(process.argv.slice(2));
  const pinned = spawnSync('taskset', ['-pc', '0', String(process.pid)]).status === 0;
  const home = mkdtempSync(join(tmpdir(), 'wire-bench-'));
  const results = {};
  try {
    if (!flags.has('--soak')) results['in process'] = await measure(createPort(), flags.has('--quick'));
    for (const kind of ['socket', 'zeromq']) {
      const host = startEngine(kind, join(home, kind));
      const address = await host.ready;
      if (flags.has('--soak')) results[kind] = await soak(kind, address, host);
      else {
        const port = await connectRuntime({ link: linkTo(address), version: '0' });
        port.attach(caller);
        results[kind] = await measure(port, flags.has('--quick'), host);
        await port.close();
      }
      await host.stop();
    }
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
  const load = execFileSync('uptime', { encoding: 'utf8' })
    .trim()
    .replace(/^.*load/, 'load');
  if (flags.has('--json') || flags.has('--soak'))
    console.log(JSON.stringify({ pinned, load, results }, null, 1));
  else {
    console.log(`node ${process.version}, ${pinned ? 'both processes on core 0' : 'not pinned'}, ${load}`);
    console.log(
      '| link | size | p50 us | p95 us | added p50 us | CPU us, both ends | calls/s |\n|---|---|---|---|---|---|---|',
    );
    for (const [link, rows] of Object.entries(results))
      for (const [size, { p50us, p95us, cpuUs, perSecond }] of Object.entries(rows)) {
        const added = p50us - results['in process'][size].p50us;
        const shown = [p50us, p95us, added, cpuUs, perSecond].map((value) => value.toFixed(0));
        console.log(`| ${link} | ${size} | ${shown.join(' | ')} |`);
      }
  }
}
