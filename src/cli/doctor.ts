import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, dirname, isAbsolute, join } from 'node:path';
import { readPolicyFile } from '../config/policy-file.js';
import { secretsOf } from '../config/secrets/placeholders.js';
import { readServersFile } from '../config/servers-file.js';
import type { Settings } from '../config/settings.js';
import { RuntimeError } from '../core/errors.js';
import type { ServerDefinition } from '../core/server.js';
import { ensurePrivateDir } from '../lib/private-dir.js';
import { openDatabase } from '../lib/sqlite.js';
import { checkAgreements, type Finding } from './doctor-pins.js';
import { type GlobalFlags, loadSettings } from './environment.js';
import { createOutput } from './output.js';
import { openSecrets } from './secret.js';
import { packageVersion } from './version.js';

const CONFIG_EXIT = 10;

/** Checks what a start needs and says what to do about what is wrong. @returns 0, or 10 when something failed. */
export async function doctor(flags: GlobalFlags): Promise<number> {
  const output = createOutput({ json: flags.json === true });
  const findings: Finding[] = [checkNode()];
  findings.push(...(await Promise.all([checkModule('libsql', 'failed'), checkModule('zeromq', 'warning')])));
  try {
    const { settings, environment } = loadSettings(flags);
    findings.push(
      await checkHome(settings),
      ...(await checkPolicy(settings)),
      ...(await checkServers(settings, environment)),
      ...(await checkSecrets(settings, environment)),
    );
  } catch (error) {
    findings.push(finding('settings', error));
  }
  const text = findings.map(
    ({ check, verdict, message, hint }) =>
      `${mark[verdict]} ${check}: ${message}${hint ? `\n    ${hint}` : ''}`,
  );
  await output.answer(`mcp-runtime ${packageVersion()}\n${text.join('\n')}`, {
    version: packageVersion(),
    findings,
  });
  return findings.some(({ verdict }) => verdict === 'failed') ? CONFIG_EXIT : 0;
}

const mark = { ok: '  ok    ', warning: '  note  ', failed: '  FAILED' } as const;

function checkNode(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const good = major > 20 || (major === 20 && minor >= 19);
  return good
    ? { check: 'Node', verdict: 'ok', message: `v${process.versions.node}` }
    : {
        check: 'Node',
        verdict: 'failed',
        message: `v${process.versions.node} is too old.`,
        hint: 'Install Node 20.19 or newer.',
      };
}

async function checkModule(name: string, whenMissing: 'failed' | 'warning'): Promise<Finding> {
  try {
    await import(name);
    return { check: name, verdict: 'ok', message: 'loads' };
  } catch (error) {
    return {
      check: name,
      verdict: whenMissing,
      message: `does not load: ${(error instanceof Error ? error.message : String(error)).split('\n')[0]}`,
      hint:
        whenMissing === 'failed'
          ? 'Install again without --omit=optional; it brings a binary for this platform.'
          : 'The engine is reached over a socket instead.',
    };
  }
}

async function checkHome(settings: Settings): Promise<Finding> {
  try {
    await ensurePrivateDir(settings.home);
    openDatabase(join(settings.home, 'catalog.db'), 'doctor', []).close();
    return { check: 'home', verdict: 'ok', message: settings.home };
  } catch (error) {
    return finding('home', error);
  }
}

async function checkPolicy({ home }: Settings): Promise<Finding[]> {
  const { path, policy, problems } = await readPolicyFile(join(home, 'policy.json'));
  const check = 'policy file';
  if (policy) return [{ check, verdict: 'ok', message: path }];
  return problems.map((message) => ({ check, verdict: 'failed', message }));
}

async function checkServers(
  settings: Settings,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Finding[]> {
  const file = await readServersFile(settings.configPath, {
    environment,
    mustExist: settings.configNamed,
    baseDirectory: dirname(settings.configPath),
  });
  const problems = file.problems.map(
    ({ message, fatal }): Finding => ({
      check: 'servers file',
      verdict: fatal ? 'failed' : 'warning',
      message,
    }),
  );
  const commands = await Promise.all(
    file.definitions.map((definition) => checkCommand(definition, environment['PATH'] ?? '')),
  );
  const count = file.definitions.length;
  return [
    {
      check: 'servers file',
      verdict: 'ok',
      message: `${file.path}, ${count} usable ${count === 1 ? 'server' : 'servers'}`,
    },
    ...problems,
    ...commands.filter((one) => one !== undefined),
    ...checkAgreements(settings, file.definitions),
  ];
}

/** Says which secrets are missing, and whether the key of the others can be used. Nothing where none is named. */
async function checkSecrets(
  settings: Settings,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Finding[]> {
  const { definitions } = await readServersFile(settings.configPath, {
    environment,
    mustExist: false,
    baseDirectory: dirname(settings.configPath),
  });
  const store = openSecrets(settings.home, environment);
  const needed = new Set(definitions.flatMap(secretsOf));
  const problems = await Promise.all(
    [...needed].map((name) =>
      store.get(name).then(
        () => undefined,
        (error: unknown) => finding(`secret ${name}`, error),
      ),
    ),
  );
  const found = problems.filter((problem) => problem !== undefined);
  if (found.length > 0 || needed.size === 0) return found;
  return [{ check: 'secrets', verdict: 'ok', message: `all ${needed.size} that servers name can be read` }];
}

async function checkCommand(definition: ServerDefinition, path: string): Promise<Finding | undefined> {
  if (definition.transport !== 'stdio' || definition.disabled) return undefined;
  const { command, name } = definition;
  const candidates =
    isAbsolute(command) || command.includes('/')
      ? [command]
      : path.split(delimiter).map((dir) => join(dir, command));
  for (const candidate of candidates) {
    try {
      await access(candidate, constants.X_OK);
      return undefined;
    } catch {
      // Looked for in the next place.
    }
  }
  return {
    check: `server ${name}`,
    verdict: 'failed',
    message: `the command "${command}" is not found.`,
    hint: 'Install it, or write its full path: programs started by desktop clients often have a shorter PATH than your shell.',
  };
}

const finding = (check: string, error: unknown): Finding => ({
  check,
  verdict: 'failed',
  message: error instanceof Error ? error.message : String(error),
  hint: error instanceof RuntimeError ? error.hint : undefined,
});
