// Streamable HTTP: a call of server-everything behind our front-end, against the same server with the HTTP of the SDK.
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { connectHttp } from './lib/http-client.mjs';
import { cpu, latencies, micros, quantile, ratio, throughput } from './lib/measure.mjs';
import { everything, place } from './lib/place.mjs';

export async function run({ quick = false } = {}) {
  const rounds = quick ? 2 : 5;
  const here = await place({ everything });
  const ports = await freePorts(2);
  const started = [
    start([everything, 'streamableHttp'], { PORT: String(ports[0]) }),
    start([here.bin, 'serve', '--transport', 'streamable-http', '--port', String(ports[1])], here.env),
  ];
  try {
    const [direct, through] = await Promise.all(
      ports.map((port, n) => connected(`http://127.0.0.1:${port}/mcp`, started[n])),
    );
    const ways = {
      direct: () => direct.call('echo', { message: 'hello' }),
      through: () =>
        through.call('execute_tool', {
          server_name: 'everything',
          tool_name: 'echo',
          arguments: { message: 'hello' },
        }),
    };
    for (const way of Object.values(ways)) await throughput(answered(way), 1_000, 8);
    const { engine } = await here.command('ps');
    const pids = { direct: [started[0].pid], through: [started[1].pid, engine.pid] };
    const times = { direct: [], through: [] };
    const rates = { 16: { direct: [], through: [] }, 64: { direct: [], through: [] } };
    const cost = { 1: { direct: [], through: [] }, 64: { direct: [], through: [] } };
    for (let round = 0; round < rounds; round++)
      for (const [name, way] of Object.entries(ways)) {
        let before = cpu(pids[name]);
        times[name].push(...(await latencies(answered(way), 200)));
        cost[1][name].push(((cpu(pids[name]) - before) / 200) * 1_000);
        rates[16][name].push(await throughput(answered(way), 500, 16));
        before = cpu(pids[name]);
        rates[64][name].push(await throughput(answered(way), 1_000, 64));
        cost[64][name].push(cpu(pids[name]) - before);
      }
    direct.close();
    through.close();
    const row = (measure, samples, q, show, target = '') => {
      const [a, b] = [quantile(samples.direct, q), quantile(samples.through, q)];
      return { measure, direct: show(a), ours: show(b), ratio: ratio(b, a), target };
    };
    const rate = (n) => `${n.toFixed(0)}/s`;
    const millis = (n) => `${n.toFixed(0)} ms`;
    return [
      row('HTTP: echo p50, against the HTTP server of the SDK', times, 0.5, micros, '0.35x'),
      row('HTTP: echo p95', times, 0.95, micros),
      row('HTTP: calls/s, 16 in flight', rates[16], 0.5, rate),
      row('HTTP: calls/s, 64 in flight', rates[64], 0.5, rate, '3x'),
      row('HTTP: CPU of 1,000 calls, front-end and engine', cost[1], 0.5, millis),
      row('HTTP: the same, 64 in flight', cost[64], 0.5, millis),
    ];
  } finally {
    await Promise.all(started.map(stop));
    await here.remove();
  }
}

const answered = (way) => async () => {
  const result = await way();
  if (result === undefined || result.isError) throw new Error(`no answer: ${JSON.stringify(result)}`);
};

function start(args, env) {
  return spawn(process.execPath, args, {
    stdio: 'ignore',
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
  });
}

const stop = (child) =>
  child.exitCode !== null
    ? undefined
    : new Promise((gone) => {
        child.once('exit', gone);
        child.kill('SIGTERM');
      });

/** Until the server listens. */
async function connected(url, child) {
  for (let tries = 0; tries < 200 && child.exitCode === null; tries++) {
    const client = await connectHttp(url, 64).catch(() => undefined);
    if (client !== undefined) return client;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`nothing listens at ${url}`);
}

async function freePorts(count) {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise((resolve) => {
          const server = createServer().listen(0, '127.0.0.1', () => resolve(server));
        }),
    ),
  );
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((closed) => server.close(closed))));
  return ports;
}
