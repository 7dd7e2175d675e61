// Starts and stops of each transport, over and over: nothing may be left, and memory must stay flat.
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { openSession } from '../../dist/upstream/open-session.js';
import { heldMemory } from './held-memory.mjs';
import { marked } from './processes.mjs';

const good = fileURLToPath(new URL('../../test/fixtures/good-server.mjs', import.meta.url));
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const base = {
  startTimeoutMs: 30_000,
  idleTimeoutMs: 0,
  maxConcurrency: 10,
  sharing: 'shared',
  restart: 'never',
  hints: [],
  blockedTools: [],
  disabled: false,
  overwrite: false,
  source: 'file',
};

/** @returns what went wrong, in words. */
export async function cycles({ count, say }) {
  const marker = { name: 'MCP_RUNTIME_SOAK', value: `cycles-${process.pid}` };
  const faults = [];
  for (const transport of ['stdio', 'streamable-http', 'sse']) {
    const server = transport === 'stdio' ? undefined : await startHttp(transport);
    const definition =
      transport === 'stdio'
        ? {
            ...base,
            name: 'good',
            transport,
            command: process.execPath,
            args: [good],
            env: {},
            cwd: undefined,
          }
        : { ...base, name: 'good', transport, url: server.url, headers: {} };
    const once = async () => {
      const session = await openSession(definition, {
        signal: new AbortController().signal,
        marker,
        baseEnv: { PATH: process.env.PATH },
        logger: silent,
        clientInfo: { name: 'soak', version: '1' },
      });
      await session.callTool(
        'echo',
        { text: 'x' },
        { signal: new AbortController().signal, timeoutMs: 30_000 },
      );
      await session.close();
    };
    faults.push(...(await repeat(transport, once, { count, say })));
    const left = marked(marker);
    if (left.length > 0) faults.push(`${transport}: processes left behind: ${left.join(', ')}`);
    await server?.stop();
  }
  return faults;
}

/**
 * Does something over and over and looks at what is held after a forced collection.
 * @returns what is more at the end than at the beginning, in words.
 */
export async function repeat(what, once, { count, say, atOnce = 1 }) {
  const round = async (times) => {
    let left = times;
    await Promise.all(
      Array.from({ length: atOnce }, async () => {
        while (left-- > 0) await once();
      }),
    );
  };
  const facts = async () => ({ ...(await heldMemory()), fds: readdirSync('/proc/self/fd').length });
  // What is loaded at first use is no leak.
  await round(Math.min(100, Math.ceil(count / 4)));
  const seen = [await facts()];
  const begun = performance.now();
  for (let part = 0; part < 4; part++) {
    await round(Math.ceil(count / 4));
    seen.push(await facts());
  }
  const [before, after] = [seen[0], seen[4]];
  const took = ((performance.now() - begun) / 1000).toFixed(1);
  const line = (name) => seen.map((one) => one[name].toFixed(1)).join(' ');
  say(
    `${what}: ${count} cycles in ${took} s; held after a collection ${line('held')} MiB, resident ${line('rss')} MiB, ` +
      `descriptors ${before.fds} to ${after.fds}`,
  );
  const faults = [];
  if (after.fds > before.fds + 3) faults.push(`${what}: ${after.fds - before.fds} descriptors more`);
  // In the first half pools still fill and code is still compiled; a session that stayed is ten times as much.
  const grown = ((after.held - seen[2].held) * 1_048_576) / (count / 2);
  if (grown > 1_024) faults.push(`${what}: ${grown.toFixed(0)} bytes more for each cycle`);
  return faults;
}

function startHttp(transport) {
  const child = spawn(process.execPath, [good, transport === 'sse' ? 'sse' : 'http', '0'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { PATH: process.env.PATH },
  });
  return new Promise((resolve) => {
    child.stdout.on('data', (chunk) => {
      const port = /LISTENING (\d+)/.exec(String(chunk))?.[1];
      if (!port) return;
      resolve({
        url: `http://127.0.0.1:${port}/${transport === 'sse' ? 'sse' : 'mcp'}`,
        stop: () =>
          new Promise((gone) => {
            child.once('exit', gone);
            child.stdin.end();
          }),
      });
    });
  });
}
