// One run of the soak: an engine over HTTP, clients that call at a steady rate, and someone who breaks things.
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connectHttp } from './http-client.mjs';
import { memory } from './measure.mjs';
import { marked } from './processes.mjs';

const project = fileURLToPath(new URL('../..', import.meta.url));
const fixture = (name) => join(project, 'test/fixtures', name);
const FAULT_MS = 5_000;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const oneOf = (list) => list[Math.floor(Math.random() * list.length)];

/** Tool and arguments with which each hostile server shows what it is. */
const HOSTILE = {
  hangs: { args: ['hang-on-call'], tool: 'hang', timeout: 2 },
  crashes: { args: ['crash-on-call'], tool: 'crash', input: { how: 'kill' } },
  floods: { args: ['progress-flood', '1000'], tool: 'work', timeout: 2 },
  giant: { args: ['giant-result'], tool: 'giant', input: { bytes: 5_000_000, kind: 'text' } },
  stubborn: { args: ['ignores-sigterm'], tool: 'echo', input: { text: 'x' } },
};

export async function soakRun({ ms, clients: count, good, rate, hostile, say }) {
  const work = await mkdtemp(join(tmpdir(), 'mcp-runtime-soak-'));
  const marker = { name: 'MCP_RUNTIME_SOAK', value: `soak-${randomUUID()}` };
  const config = join(work, 'servers.json');
  const names = Array.from({ length: good }, (_, index) => `good${index}`);
  const own = { [marker.name]: marker.value };
  const entry = (file, ...args) => ({ command: process.execPath, args: [file, ...args], env: own });
  const servers = Object.fromEntries(names.map((name) => [name, entry(fixture('good-server.mjs'))]));
  const entries = hostile ? Object.entries(HOSTILE) : [];
  for (const [name, { args }] of entries)
    servers[name] = entry(fixture(`hostile/${args[0]}.mjs`), ...args.slice(1));
  const write = (more = {}) => writeFile(config, JSON.stringify({ mcpServers: { ...servers, ...more } }));
  await write();
  const front = await startFront({
    ...own,
    MCP_RUNTIME_HOME: join(work, 'home'),
    MCP_RUNTIME_CONFIG: config,
  });
  const operator = await connectHttp(front.url);
  const clients = await Promise.all(Array.from({ length: count }, () => connectHttp(front.url)));
  const execute = (client, server_name, tool_name, args, timeout = 30) =>
    client.call('execute_tool', { server_name, tool_name, arguments: args, timeout }, (timeout + 60) * 1000);
  for (const name of names) await execute(operator, name, 'echo', { text: 'up' });
  while ((await operator.call('get_statistics', {})).structuredContent.learning.waiting > 0) await pause(100);

  const run = { latencies: [], lost: 0, crossed: 0, hostileCalls: 0, faults: 0, refused: {}, memory: [] };
  const descriptors = () => readdirSync(`/proc/${front.pid}/fd`).length;
  const before = descriptors();
  const until = performance.now() + ms;
  const going = () => performance.now() < until;

  const goodLoop = async (client) => {
    const gap = (count / rate) * 1000;
    await pause(Math.random() * gap);
    while (going()) {
      const text = randomUUID();
      const begun = performance.now();
      const result = await execute(client, oneOf(names), 'echo', { text }).catch(() => undefined);
      const took = performance.now() - begun;
      const said = result?.content?.[0]?.text;
      if (result === undefined) run.lost += 1;
      else if (result.isError) {
        // A server that was killed or stopped under the call says so; that is an answer.
        const why = /^[^.]*?(ended|stopped|removed|backing|failed)/.exec(said)?.[1] ?? said.slice(0, 60);
        run.refused[why] = (run.refused[why] ?? 0) + 1;
      } else {
        if (said !== text) run.crossed += 1;
        run.latencies.push(took);
      }
      await pause(Math.max(0, gap * (0.5 + Math.random()) - took));
    }
  };
  const hostileLoop = async ([name, { tool, input = {}, timeout = 10 }], index) => {
    while (going()) {
      const result = await execute(clients[index % count], name, tool, input, timeout).catch(() => undefined);
      if (result === undefined) run.lost += 1;
      run.hostileCalls += 1;
      await pause(500);
    }
  };
  const faultLoop = async () => {
    const all = [...names, ...entries.map(([name]) => name)];
    const faults = {
      kill: async () => {
        const { servers: running } = (await operator.call('list_running_servers', {})).structuredContent;
        const { pid } = oneOf(running) ?? {};
        if (pid !== undefined) process.kill(pid, 'SIGKILL');
      },
      stop: () => operator.call('manage_server', { server_name: oneOf(all), action: 'shutdown' }),
      reload: () => write({ [`extra${run.faults % 2}`]: entry(fixture('good-server.mjs')) }),
    };
    while (going()) {
      await pause(Math.min(FAULT_MS, Math.max(0, until - performance.now())));
      await oneOf(Object.values(faults))().catch(() => {});
      run.faults += 1;
      run.memory.push(memory(front.pid).rss);
    }
  };
  say(`${hostile ? 'with' : 'without'} hostile servers, ${(ms / 1000).toFixed(0)} s ...`);
  await Promise.all([...clients.map(goodLoop), ...entries.map(hostileLoop), faultLoop()]);

  for (const server_name of Object.keys(servers))
    await operator.call('manage_server', { server_name, action: 'shutdown' }).catch(() => {});
  // The pipes of the servers are gone then; those of the good ones were open before.
  const after = descriptors() + 3 * good;
  for (const client of [operator, ...clients]) client.close();
  await front.stop();
  await pause(500);
  const left = marked(marker).filter((pid) => pid !== process.pid);
  await rm(work, { recursive: true, force: true, maxRetries: 5 });
  const every = Math.max(1, Math.ceil(run.memory.length / 10));
  return {
    ...run,
    memory: run.memory.filter((_, index) => index % every === 0),
    descriptors: [before, after],
    left,
  };
}

function startFront(env) {
  const words = [
    join(project, 'dist/bin.js'),
    'serve',
    '--transport',
    'http',
    '--port',
    '0',
    '--engine',
    'embedded',
  ];
  const child = spawn(process.execPath, words, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { PATH: process.env.PATH, HOME: process.env.HOME, LOG_LEVEL: 'error', ...env },
  });
  return new Promise((resolve, reject) => {
    let said = '';
    child.once('exit', () => reject(new Error(`the front-end ended: ${said}`)));
    child.stderr.on('data', (chunk) => {
      said = (said + String(chunk)).slice(-10_000);
      const base = /http:\/\/127\.0\.0\.1:\d+/.exec(said)?.[0];
      if (!base) return;
      resolve({
        url: `${base}/mcp`,
        pid: child.pid,
        stop: () =>
          new Promise((gone) => {
            child.removeAllListeners('exit').once('exit', gone);
            child.kill('SIGTERM');
          }),
      });
    });
  });
}
