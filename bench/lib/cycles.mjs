// Starts and stops of each transport, over and over: nothing may be left, and memory must stay flat.
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { openSession } from '../../dist/upstream/open-session.js';
import { memory } from './measure.mjs';
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
    // What is loaded at first use, and what the collector takes its time for, is no leak.
    for (let i = 0; i < Math.min(50, Math.ceil(count / 4)); i++) await once();
    const facts = () => {
      globalThis.gc?.();
      return { rss: memory(process.pid).rss, fds: readdirSync('/proc/self/fd').length };
    };
    const before = facts();
    const begun = performance.now();
    for (let i = 0; i < count; i++) await once();
    await new Promise((resolve) => setTimeout(resolve, 500));
    const after = facts();
    const left = marked(marker);
    say(
      `${transport}: ${count} cycles in ${((performance.now() - begun) / 1000).toFixed(1)} s, memory ${before.rss.toFixed(0)} to ` +
        `${after.rss.toFixed(0)} MiB, descriptors ${before.fds} to ${after.fds}, left behind ${left.length}`,
    );
    if (left.length > 0) faults.push(`${transport}: processes left behind: ${left.join(', ')}`);
    if (after.fds > before.fds + 3) faults.push(`${transport}: ${after.fds - before.fds} descriptors more`);
    if (after.rss > before.rss + 48)
      faults.push(`${transport}: ${(after.rss - before.rss).toFixed(0)} MiB more`);
    await server?.stop();
  }
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
