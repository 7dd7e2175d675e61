import { execFile } from 'node:child_process';
import { readdir, readFile, unlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { StdioDefinition } from '../../core/server.js';
import { ensurePrivateDir } from '../../lib/private-dir.js';
import { labelScript } from './container-script.js';
import { isOwnerGone } from './orphans.js';

/** Programs whose `run` starts what outlives them: ending the client does not end the container (moby/moby#20171). */
const ENGINES = new Set(['docker', 'podman', 'nerdctl']);
/** Flags before the command that take their value as the next word. */
const VALUED = new Set([
  '--config',
  '--context',
  '-c',
  '--host',
  '-H',
  '--log-level',
  '-l',
  '--tlscacert',
  '--tlscert',
  '--tlskey',
  '--connection',
  '--url',
  '--identity',
  '--root',
  '--namespace',
  '-n',
]);
/** Says to a container engine where it is; needed again when the container is removed, and no secret. */
const WHERE = /^(?:DOCKER_(?:HOST|CONTEXT|CONFIG|CERT_PATH|TLS_VERIFY|TLS)|CONTAINER_(?:HOST|CONNECTION))$/;
const LABEL = 'mcp-runtime.session';
/** How long one command of the container engine may take, ms. */
const COMMAND_MS = 10_000;

/** What is needed to remove a container later, also by another engine. Kept beside the file with its id. */
interface ContainerNote {
  readonly owner: string;
  readonly command: string;
  /** Flags before `run`: which daemon. */
  readonly flags: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly idFile: string;
}

/** A `docker run` that can be followed up. */
export interface Contained {
  /** The arguments, with a label and a file for the id of our own. */
  readonly args: readonly string[];
  /** Removes the container, whatever its state. Never rejects. */
  remove(): Promise<void>;
}

/**
 * Makes the container of a `docker run` findable: by a label of this session, and by the file docker writes its id to.
 * @param directory where the ids are kept; undefined: the label alone serves.
 * @param owner the marker value of this session, by which a later engine sees that ours is gone.
 * In `sh -c "docker run ..."` the label alone, where the script can be understood.
 * @returns undefined for every other program.
 */
export async function contain(
  definition: StdioDefinition,
  owner: string,
  env: Readonly<Record<string, string>>,
  directory: string | undefined,
): Promise<Contained | undefined> {
  const at = runPosition(definition);
  if (at === undefined) return containScript(definition, owner, env, directory);
  const before = definition.args.slice(0, at);
  const flags = before.filter((word, index) => !(index === at - 1 && word === 'container'));
  const after = definition.args.slice(at + 1);
  const own = idFileOf(after);
  const idFile = own ?? (directory === undefined ? undefined : join(directory, `${stemOf(owner)}.cid`));
  const note: ContainerNote = {
    owner,
    command: definition.command,
    flags,
    env: whereOf(definition.env),
    idFile: idFile ?? '',
  };
  const noteFile = await keepNote(note, directory);
  const added = [
    ...(own === undefined && idFile !== undefined ? [`--cidfile=${idFile}`] : []),
    `--label=${LABEL}=${owner}`,
  ];
  return {
    args: [...before, 'run', ...added, ...after],
    remove: async () => {
      await removeContainer(note, env);
      await forget([noteFile, own === undefined ? idFile : undefined]);
    },
  };
}

/** A shell script that calls the engine: only the label can be written into it, since an id file serves one call alone. */
async function containScript(
  { command, args, env: own }: StdioDefinition,
  owner: string,
  env: Readonly<Record<string, string>>,
  directory: string | undefined,
): Promise<Contained | undefined> {
  const script = labelScript(command, args, `${LABEL}=${owner}`);
  if (!script) return undefined;
  const where = { ...whereOf(own), ...whereOf(script.env) };
  const note = { owner, command: script.engine, flags: script.flags, env: where, idFile: '' };
  const noteFile = await keepNote(note, directory);
  return {
    args: script.args,
    remove: async () => {
      await removeContainer(note, { ...env, ...where });
      await forget([noteFile]);
    },
  };
}

const stemOf = (owner: string): string => owner.slice(owner.lastIndexOf('/') + 1);
const whereOf = (env: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(env).filter(([name]) => WHERE.test(name)));

async function keepNote(note: ContainerNote, directory: string | undefined): Promise<string | undefined> {
  if (directory === undefined) return undefined;
  await ensurePrivateDir(directory);
  const file = join(directory, `${stemOf(note.owner)}.json`);
  await writeFile(file, JSON.stringify(note), { mode: 0o600 });
  return file;
}

/**
 * Removes the containers of engines that are gone.
 * @returns how many notes of such there were.
 */
export async function sweepContainers(
  directory: string,
  baseEnv: Readonly<Record<string, string>>,
): Promise<number> {
  const names = await readdir(directory).catch(() => []);
  let swept = 0;
  for (const name of names.filter((one) => one.endsWith('.json'))) {
    const file = join(directory, name);
    const note = await readNote(file);
    if (!note || !(await isOwnerGone(note.owner))) continue;
    swept += 1;
    await removeContainer(note, { ...baseEnv, ...note.env });
    await forget([file, note.idFile.startsWith(directory) ? note.idFile : undefined]);
  }
  return swept;
}

/** Where `run` stands among the arguments. */
function runPosition({ command, args }: StdioDefinition): number | undefined {
  if (!ENGINES.has(basename(command).replace(/\.exe$/i, ''))) return undefined;
  for (let at = 0; at < args.length; at += 1) {
    const word = args[at] ?? '';
    if (word === 'run') return at;
    if (word === 'container' && args[at + 1] === 'run') return at + 1;
    if (!word.startsWith('-')) return undefined;
    if (VALUED.has(word)) at += 1;
  }
  return undefined;
}

/** The id file that the user asked for; two are refused by docker. */
function idFileOf(args: readonly string[]): string | undefined {
  const at = args.findIndex((word) => word === '--cidfile' || word.startsWith('--cidfile='));
  return at < 0 ? undefined : (args[at]?.split('=', 2)[1] ?? args[at + 1]);
}

async function removeContainer(note: ContainerNote, env: Readonly<Record<string, string>>): Promise<void> {
  const written = note.idFile === '' ? '' : await readFile(note.idFile, 'utf8').catch(() => '');
  // Killed before it wrote the id, the client may have left a container all the same.
  const ids =
    idsIn(written) ?? idsIn(await run(note, env, ['ps', '-aq', '--filter', `label=${LABEL}=${note.owner}`]));
  if (ids) await run(note, env, ['rm', '-f', ...ids]);
}

function idsIn(text: string): string[] | undefined {
  const ids = text.split(/\s+/).filter((word) => /^[\w.-]+$/.test(word) && !word.startsWith('-'));
  return ids.length > 0 ? ids.slice(0, 16) : undefined;
}

/** What the command printed; nothing when it failed. */
function run(
  { command, flags }: ContainerNote,
  env: Readonly<Record<string, string>>,
  words: readonly string[],
): Promise<string> {
  return new Promise((resolve) => {
    const options = { env, timeout: COMMAND_MS, killSignal: 'SIGKILL' as const, windowsHide: true };
    execFile(command, [...flags, ...words], options, (_error, stdout) => resolve(stdout));
  });
}

async function readNote(file: string): Promise<ContainerNote | undefined> {
  try {
    const note = JSON.parse(await readFile(file, 'utf8')) as ContainerNote;
    const isNote =
      typeof note.owner === 'string' &&
      typeof note.command === 'string' &&
      typeof note.idFile === 'string' &&
      Array.isArray(note.flags);
    return isNote && ENGINES.has(basename(note.command).replace(/\.exe$/i, '')) ? note : undefined;
  } catch {
    return undefined;
  }
}

async function forget(files: readonly (string | undefined)[]): Promise<void> {
  for (const file of files) if (file) await unlink(file).catch(() => {});
}
