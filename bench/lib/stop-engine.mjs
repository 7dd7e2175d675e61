import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const BIN = process.env.BENCH_DIST
  ? join(process.env.BENCH_DIST, 'bin.js')
  : fileURLToPath(new URL('../../dist/bin.js', import.meta.url));

/** Runs a command of mcp-runtime with --json. @returns what it printed. */
export const command = (args, env) =>
  new Promise((resolve) => {
    execFile(
      process.execPath,
      [BIN, ...args, '--json'],
      { env: { ...process.env, ...env } },
      (_error, stdout) => resolve(JSON.parse(stdout || '{}')),
    );
  });

export const stopEngine = (env) => command(['engine', 'stop'], env);
