import { spawn } from 'node:child_process';
import type { Environment } from '../settings.js';

/** A place of the operating system for keys. Every method rejects when it does not answer. */
export interface Keychain {
  store(id: string, key: Uint8Array): Promise<void>;
  load(id: string): Promise<Buffer | undefined>;
  remove(id: string): Promise<void>;
}

const SERVICE = 'mcp-runtime';
const PATIENCE_MS = 30_000;
/** What the programs need to reach the keychain of the session. */
const PASSED = ['PATH', 'HOME', 'USER', 'LANG', 'DISPLAY', 'DBUS_SESSION_BUS_ADDRESS', 'XDG_RUNTIME_DIR'];

/** The keychain that the platform has a program for. The key goes through pipes alone: arguments can be seen by others. */
export function systemKeychain(platform: string, environment: Environment): Keychain | undefined {
  const env = Object.fromEntries(
    PASSED.flatMap((name) => (environment[name] === undefined ? [] : [[name, environment[name]]])),
  );
  const run = (command: string, args: string[], input = '') => runProgram(command, args, input, env);
  if (platform === 'linux') {
    const names = (id: string) => ['service', SERVICE, 'key', id];
    return {
      store: async (id, key) => {
        const label = `--label=mcp-runtime secrets ${id}`;
        await run('secret-tool', ['store', label, ...names(id)], Buffer.from(key).toString('hex'));
      },
      load: async (id) => fromHex(await run('secret-tool', ['lookup', ...names(id)])),
      remove: async (id) => {
        await run('secret-tool', ['clear', ...names(id)]);
      },
    };
  }
  if (platform !== 'darwin') return undefined;
  return {
    store: async (id, key) => {
      const hex = Buffer.from(key).toString('hex');
      // -i reads the command itself from the pipe.
      await run('security', ['-i'], `add-generic-password -U -s ${SERVICE} -a ${id} -w ${hex}\n`);
    },
    load: async (id) =>
      fromHex(await run('security', ['find-generic-password', '-s', SERVICE, '-a', id, '-w'])),
    remove: async (id) => {
      await run('security', ['delete-generic-password', '-s', SERVICE, '-a', id]);
    },
  };
}

function fromHex(text: string): Buffer | undefined {
  const hex = text.trim();
  return /^[0-9a-f]{64}$/i.test(hex) ? Buffer.from(hex, 'hex') : undefined;
}

function runProgram(
  command: string,
  args: readonly string[],
  input: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      env,
      stdio: ['pipe', 'pipe', 'ignore'],
      timeout: PATIENCE_MS,
      killSignal: 'SIGKILL',
    });
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString('utf8');
    });
    child.stdin.on('error', () => {});
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve(said);
      else reject(new Error(`${command} ended with ${code}`));
    });
    child.stdin.end(input);
  });
}
