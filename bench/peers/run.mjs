// npm run bench -- --peers
// Gateways of others beside ours, each in front of the same barest server: start, one call, sixteen at once, memory.
// They are installed here, by their lock file, at the first run. What does not install or start is said and left out.
import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { connectHttp } from '../lib/http-client.mjs';
import { latencies, memory, micros, quantile, ratio, throughput } from '../lib/measure.mjs';
import { bare, pause, place } from '../lib/place.mjs';
import { startClient } from '../lib/raw-client.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const installed = (path) => join(here, 'node_modules', path);
const START_MS = 30_000;
const LOAD_MS = 120_000;
const CLOSE_MS = 5_000;
const PORT = 18_431;
const server = { command: process.execPath, args: [bare] };
const hello = { message: 'hello' };

/** How each is started in a directory of its own, and what its echo is called. */
const PEERS = {
  'modular-mcp': {
    script: '@kimuson/modular-mcp/dist/index.js',
    args: ['config.json'],
    config: { mcpServers: { bare: { description: 'echoes', ...server } } },
    call: ['call-modular-tool', { group: 'bare', name: 'echo', args: hello }],
  },
  mcporter: {
    script: 'mcporter/dist/cli.js',
    args: ['--config', 'config.json', 'serve', '--stdio'],
    config: { mcpServers: { bare: { ...server, lifecycle: 'keep-alive' } } },
    after: ['--config', 'config.json', 'daemon', 'stop'],
  },
  'mcp-proxy': {
    script: 'mcp-proxy/dist/bin/mcp-proxy.mjs',
    args: ['--port', String(PORT), '--host', '127.0.0.1', '--', process.execPath, bare],
    http: `http://127.0.0.1:${PORT}/mcp`,
  },
  // Serves POST /mcp as a web page: it has the older HTTP+SSE alone.
  'mcp-hub': { leftOut: 'its clients speak HTTP+SSE, which is not measured here' },
};

export async function run({ quick = false } = {}) {
  await install();
  const rows = [await measured('direct', () => startDirect(), quick)];
  const ours = await place({ bare });
  await ours.command('index');
  rows.push(await measured('mcp-runtime', () => startOurs(ours), quick));
  await ours.remove();
  for (const [name, peer] of Object.entries(PEERS)) {
    if (peer.leftOut) {
      console.error(`${name} is left out: ${peer.leftOut}`);
      continue;
    }
    const work = await mkdtemp(join(tmpdir(), 'mcp-runtime-bench-'));
    try {
      rows.push(await measured(name, () => startPeer(peer, work), quick));
    } catch (error) {
      console.error(`${name} is left out: ${error instanceof Error ? error.message : error}`);
    } finally {
      await rm(work, { recursive: true, force: true, maxRetries: 5 });
    }
  }
  const [direct] = rows;
  return rows.map(({ name, start, p50, rate, rss }) => ({
    name,
    start: `${start.toFixed(0)} ms ${ratio(start, direct.start)}`,
    'echo p50': `${micros(p50)} ${ratio(p50, direct.p50)}`,
    '16 in flight': `${rate.toFixed(0)}/s ${ratio(rate, direct.rate)}`,
    rss: rss === undefined ? '-' : `${rss.toFixed(0)} MiB`,
  }));
}

async function install() {
  if (existsSync(installed('.package-lock.json'))) return;
  await promisify(execFile)('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], {
    cwd: here,
  }).catch((error) => console.error(`The peers cannot be installed: ${error.message.split('\n')[0]}`));
}

async function measured(name, begin, quick) {
  const begun = performance.now();
  const side = await within(begin(), START_MS, 'it did not start');
  const start = performance.now() - begun;
  try {
    await within(side.call(), START_MS, 'its echo does not answer');
    // A peer that dies leaves calls unanswered.
    const { p50, rate } = await within(load(side.call, quick), LOAD_MS, 'it stopped answering');
    const pids = await side.pids();
    const rss = pids.reduce((sum, pid) => sum + memory(pid).rss, 0);
    return { name, start, p50, rate, rss: pids.length > 0 ? rss : undefined };
  } finally {
    await within(Promise.resolve(side.close()), CLOSE_MS, 'it did not end').catch(() => side.kill?.());
  }
}

async function load(call, quick) {
  await throughput(call, quick ? 200 : 1_000, 8);
  const p50 = quantile(await latencies(call, quick ? 200 : 1_000), 0.5);
  return { p50, rate: await throughput(call, quick ? 500 : 3_000, 16) };
}

async function startDirect() {
  const client = await startClient(process.execPath, [bare]);
  return { call: () => client.call('echo', hello), pids: async () => [], close: client.close };
}

async function startOurs(ours) {
  const client = await ours.front();
  return {
    call: () => client.execute('bare', 'echo', hello),
    // Only now: before the first call the engine may not be there yet.
    pids: async () => [client.pid, (await ours.command('ps')).engine.pid],
    close: client.close,
  };
}

async function startPeer({ script, args, config, call, http, after }, work) {
  const file = installed(script);
  if (!existsSync(file)) throw new Error('it is not installed');
  if (config) await writeFile(join(work, 'config.json'), JSON.stringify(config));
  const env = { PATH: process.env.PATH, HOME: work };
  const absolute = args.map((word) => (word === 'config.json' ? join(work, word) : word));
  if (http) return startOverHttp([file, ...absolute], env, http);
  const client = await within(
    startClient(process.execPath, [file, ...absolute], env),
    START_MS,
    'no greeting',
  );
  const [tool, given] = call ?? [await echoOf(client), hello];
  return {
    call: () => client.call(tool, given),
    pids: async () => [client.pid],
    kill: () => process.kill(client.pid, 'SIGKILL'),
    close: async () => {
      await client.close();
      if (after)
        await promisify(execFile)(
          process.execPath,
          [file, ...after.map((word) => (word === 'config.json' ? join(work, word) : word))],
          { env },
        ).catch(() => {});
    },
  };
}

/** Others put the name of the server before that of the tool, each in its way. */
async function echoOf(client) {
  const { message } = await client.request('tools/list', {});
  const found = message.result.tools.find(({ name }) => name.endsWith('echo'));
  if (found === undefined) throw new Error('it shows no echo');
  return found.name;
}

async function startOverHttp(args, env, url) {
  const child = spawn(process.execPath, args, { stdio: 'ignore', env });
  const close = () =>
    child.exitCode === null
      ? new Promise((gone) => {
          child.once('exit', gone);
          child.kill('SIGTERM');
        })
      : undefined;
  const until = performance.now() + START_MS / 2;
  while (performance.now() < until && child.exitCode === null) {
    const client = await connectHttp(url).catch(() => undefined);
    if (client) {
      const call = async () => {
        if ((await client.call('echo', hello)) === undefined)
          throw new Error('no answer over streamable HTTP');
      };
      return {
        call,
        pids: async () => [child.pid],
        kill: () => child.kill('SIGKILL'),
        close: async () => {
          client.close();
          await close();
        },
      };
    }
    await pause(50);
  }
  await close();
  throw new Error(`it does not answer over streamable HTTP at ${url}`);
}

function within(work, ms, otherwise) {
  let timer;
  const late = new Promise((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(otherwise)), ms);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
