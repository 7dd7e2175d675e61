import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const BIN = fileURLToPath(new URL('../../dist/bin.js', import.meta.url));

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
