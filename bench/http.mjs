// Streamable HTTP: a call through our front-end and engine against the HTTP server of the SDK, which is that of
// server-everything. Behind ours stands the bare upstream, so that what is compared are two ways over HTTP; in the last row
// server-everything itself stands there, over stdio, and its own time is in the sum.
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { cpu, latencies, micros, quantile, ratio, throughput } from './lib/measure.mjs';
import { bare, everything, place } from './lib/place.mjs';
import { connectRawHttp } from './lib/raw-http-client.mjs';

const WAYS = {
  embedded: { flags: ['--engine', 'embedded'], env: {} },
  socket: { flags: [], env: { ENGINE_LINK: 'socket' } },
  zeromq: { flags: [], env: { ENGINE_LINK: 'zeromq' } },
};
const SOCKETS = 64;

export async function run({ quick = false } = {}) {
  const sides = { sdk: await sdkSide() };
  for (const [name, way] of Object.entries(WAYS)) sides[name] = await ourSide(way);
  try {
    return await measure(sides, quick ? 2 : 5, quick ? 200 : 500);
  } finally {
    await Promise.all(Object.values(sides).map((side) => side.close()));
  }
}

async function measure(sides, rounds, count) {
  const ways = Object.entries(sides);
  const each = () => Object.fromEntries(ways.map(([name]) => [name, []]));
  const [times, real] = [each(), each()];
  const rates = { 16: each(), 64: each() };
  const cost = { 1: each(), 64: each() };
  // Until the compilers are done, a call costs several times what it does later.
  for (const [, { call }] of ways) await throughput(call, 10 * count, 16);
  for (let round = 0; round < rounds; round++)
    for (const [name, { call, realCall, pids }] of ways) {
      let before = cpu(pids);
      times[name].push(...(await latencies(call, count)));
      cost[1][name].push(((cpu(pids) - before) / count) * 1_000);
      real[name].push(...(await latencies(realCall, count / 5)));
      rates[16][name].push(await throughput(call, 2 * count, 16));
      before = cpu(pids);
      rates[64][name].push(await throughput(call, 2 * count, 64));
      cost[64][name].push(((cpu(pids) - before) / (2 * count)) * 1_000);
    }
  const row = (name, samples, q, show, target = '') => {
    const base = quantile(samples.sdk, q);
    const ours = ways.map(([way]) => {
      const value = quantile(samples[way], q);
      return [way, way === 'sdk' ? show(value) : `${show(value)} ${ratio(value, base)}`];
    });
    return { measure: `HTTP: ${name}`, ...Object.fromEntries(ours), target };
  };
  const rate = (n) => `${n.toFixed(0)}/s`;
  const millis = (n) => `${n.toFixed(0)} ms`;
  return [
    row('echo p50', times, 0.5, micros, '0.35x'),
    row('echo p95', times, 0.95, micros),
    row('calls/s, 16 in flight', rates[16], 0.5, rate),
    row('calls/s, 64 in flight', rates[64], 0.5, rate, '3x'),
    row('own CPU of 1,000 calls, 1 in flight', cost[1], 0.5, millis),
    row('own CPU of 1,000 calls, 64 in flight', cost[64], 0.5, millis),
    row('echo p50, server-everything behind ours', real, 0.5, micros),
  ];
}

async function sdkSide() {
  const port = await freePort();
  const child = start([everything, 'streamableHttp'], { PORT: String(port) });
  const client = await connected(`http://127.0.0.1:${port}/mcp`, child);
  const call = checked(() => client.call('echo', { message: 'hello' }));
  const close = async () => {
    client.close();
    await stop(child);
  };
  return { call, realCall: call, pids: [child.pid], close };
}

async function ourSide({ flags, env }) {
  const here = await place({ bare, everything }, env);
  const port = await freePort();
  const args = ['serve', '--transport', 'streamable-http', '--port', String(port), ...flags];
  const child = start([here.bin, ...args], here.env);
  const client = await connected(`http://127.0.0.1:${port}/mcp`, child);
  const echoOf = (server_name) =>
    checked(() =>
      client.call('execute_tool', { server_name, tool_name: 'echo', arguments: { message: 'hello' } }),
    );
  const [call, realCall] = [echoOf('bare'), echoOf('everything')];
  await call();
  const { engine } = flags.length === 0 ? await here.command('ps') : {};
  const close = async () => {
    client.close();
    await stop(child);
    await here.remove();
  };
  return { call, realCall, pids: [child.pid, ...(engine ? [engine.pid] : [])], close };
}

const checked = (call) => async () => {
  const result = await call();
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
    const client = await connectRawHttp(url, SOCKETS).catch(() => undefined);
    if (client !== undefined) return client;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`nothing listens at ${url}`);
}

/** A port that nobody has now. */
const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
