import { dirname, join } from 'node:path';
import { systemKeychain } from '../config/secrets/keychain.js';
import { secretsOf } from '../config/secrets/placeholders.js';
import { SecretStore } from '../config/secrets/secret-store.js';
import { readServersFile } from '../config/servers-file.js';
import type { Environment } from '../config/settings.js';
import { RuntimeError } from '../core/errors.js';
import { ensurePrivateDir } from '../lib/private-dir.js';
import { type GlobalFlags, loadSettings } from './environment.js';
import { hiddenInput } from './hidden-input.js';
import { createOutput, type Output } from './output.js';

export interface KeyFlags extends GlobalFlags {
  readonly keychain?: boolean;
  readonly keyFile?: boolean;
}

/** The secrets of a home. */
export function openSecrets(home: string, environment: Environment): SecretStore {
  return new SecretStore(join(home, 'secrets'), systemKeychain(process.platform, environment));
}

async function command(
  flags: GlobalFlags,
  work: (store: SecretStore, output: Output) => Promise<number>,
): Promise<number> {
  const output = createOutput({ json: flags.json === true });
  try {
    const { settings, environment } = loadSettings(flags);
    await ensurePrivateDir(settings.home);
    return await work(openSecrets(settings.home, environment), output);
  } catch (error) {
    return output.failure(error);
  }
}

/** The value comes from standard input or is typed unseen: arguments can be read by every user of the machine. */
export function setSecret(name: string, flags: KeyFlags): Promise<number> {
  return command(flags, async (store, output) => {
    const value = await hiddenInput(`Value of ${name} (it is not shown): `);
    await store.set(name, value, flags.keychain ? 'keychain' : 'file');
    await output.answer(`The secret ${name} is set. Servers ask for it with \${secret:${name}}.`, {
      secret: name,
      set: true,
    });
    return 0;
  });
}

export function listSecrets(flags: GlobalFlags): Promise<number> {
  return command(flags, async (store, output) => {
    const { secrets, key, problem } = await store.list();
    const { settings, environment } = loadSettings(flags);
    const { definitions } = await readServersFile(settings.configPath, {
      environment,
      mustExist: false,
      baseDirectory: dirname(settings.configPath),
    });
    const uses = definitions.map((definition) => ({ server: definition.name, names: secretsOf(definition) }));
    const usedBy = (name: string) =>
      uses.filter(({ names }) => names.includes(name)).map(({ server }) => server);
    const listed = secrets.map(({ name, setAt }) => ({
      name,
      set: setAt === undefined ? undefined : new Date(setAt).toISOString(),
      servers: usedBy(name),
    }));
    const missing = [...new Set(uses.flatMap(({ names }) => names))].filter(
      (name) => !secrets.some((one) => one.name === name),
    );
    const lines = [
      ...listed.map(
        ({ name, set, servers }) =>
          `${name}  ${set ?? 'cannot be opened'}  ${servers.length > 0 ? servers.join(', ') : 'used by no server'}`,
      ),
      ...missing.map((name) => `${name}  not set  ${usedBy(name).join(', ')}`),
    ];
    if (problem !== undefined) output.note(problem);
    await output.answer(lines.length > 0 ? lines.join('\n') : 'There are no secrets.', {
      secrets: listed,
      missing: missing.map((name) => ({ name, servers: usedBy(name) })),
      key,
      problem,
    });
    return 0;
  });
}

export function removeSecret(name: string, flags: GlobalFlags): Promise<number> {
  return command(flags, async (store, output) => {
    if (!(await store.remove(name)))
      throw new RuntimeError('SECRET_UNAVAILABLE', `There is no secret of that name.`, {
        hint: '`mcp-runtime secret list` shows all.',
      });
    await output.answer(`The secret ${name} is removed.`, { secret: name, removed: true });
    return 0;
  });
}

/** A new key for all of them; the values stay. */
export function rotateKey(flags: KeyFlags): Promise<number> {
  return command(flags, async (store, output) => {
    const keyIn = flags.keychain ? 'keychain' : flags.keyFile ? 'file' : undefined;
    const { key, secrets } = await store.rotate({ keyIn });
    await output.answer(
      `${secrets} ${secrets === 1 ? 'secret is' : 'secrets are'} encrypted with the new key ${key}; the old one is gone.`,
      { key, secrets },
    );
    return 0;
  });
}
