import { existsSync, realpathSync } from 'node:fs';
import { userInfo } from 'node:os';
import { platform } from 'node:process';
import { RuntimeError } from '../../core/errors.js';
import type { StdioDefinition } from '../../core/server.js';
import type { LimitedCommand } from './resource-limits.js';
import { locate } from './start-failure.js';

interface Place {
  /** PATH of the engine, where what makes the sandbox is looked for. */
  readonly path: string;
  readonly cwd: string | undefined;
  /** Never seen from inside: keys, tokens and what others keep. */
  readonly hide: readonly string[];
}

/** Sockets of others live here: who reaches them (docker, dbus, a desktop) is not inside of anything. */
const SOCKETS = ['/run', '/tmp'];
/** With a network its names must be found. */
const RESOLVER = '/run/systemd/resolve';

/**
 * The definition as it is started where its sandbox is a container; any other as it is. The container sees what is
 * written, nothing else of this machine, and gets its environment by name.
 * @throws RuntimeError SERVER_START_FAILED where there is no docker.
 */
export function inContainer(definition: StdioDefinition, { path, cwd, hide }: Place): StdioDefinition {
  const { name, sandbox, command, args, env } = definition;
  if (sandbox?.docker === undefined) return definition;
  if (locate('docker', undefined, path) === undefined)
    throw unavailable(
      name,
      'docker is not installed',
      'Install docker, or take "sandbox" out of its definition.',
    );
  const { uid, gid } = userInfo();
  const mounts = [...sandbox.write, ...(cwd === undefined ? [] : [cwd])];
  for (const one of [...mounts, ...sandbox.read])
    if (one.includes(':')) throw unavailable(name, `docker takes no ":" in ${one}`, RENAME);
  return {
    ...definition,
    command: 'docker',
    args: [
      'run',
      '--rm',
      '--interactive',
      '--init',
      '--read-only',
      '--tmpfs=/tmp',
      '--cap-drop=ALL',
      '--security-opt=no-new-privileges',
      // What it writes belongs to the user; a home of that user is not in the image.
      ...(uid < 0 ? [] : [`--user=${uid}:${gid}`, '--env=HOME=/tmp']),
      ...(sandbox.network ? [] : ['--network=none']),
      ...sandbox.read.map((one) => `--volume=${one}:${one}:ro`),
      ...[...new Set(mounts)].map((one) => `--volume=${one}:${one}`),
      ...covers([...mounts, ...sandbox.read], [...hide, ...sandbox.hide]).map((one) => `--tmpfs=${one}`),
      ...(cwd === undefined ? [] : [`--workdir=${cwd}`]),
      ...Object.keys(env).map((variable) => `--env=${variable}`),
      sandbox.docker,
      command,
      ...args,
    ],
  };
}

const RENAME = 'Use a directory with another name.';

/**
 * Puts bubblewrap before the command of a definition that has a sandbox: the file system is read-only but for what may
 * be written, without the sockets of others; processes, and the network unless it is let through, are its own. All of
 * it ends with its first process.
 * @throws RuntimeError SERVER_START_FAILED where that cannot be had; it is never left out.
 */
export function inBubblewrap(
  definition: StdioDefinition,
  inner: LimitedCommand,
  place: Place,
): LimitedCommand {
  const { name, sandbox } = definition;
  if (sandbox === undefined || sandbox.docker !== undefined) return inner;
  const image = 'Install bubblewrap, or name an image: "sandbox": { "docker": "node:22" }.';
  if (platform !== 'linux') throw unavailable(name, 'bubblewrap runs on Linux alone', image);
  const program = locate('bwrap', undefined, place.path);
  if (program === undefined) throw unavailable(name, 'bubblewrap (bwrap) is not installed', image);
  const write = [...sandbox.write, ...(place.cwd === undefined ? [] : [place.cwd])];
  const missing = [...write, ...sandbox.read].find((one) => !existsSync(one));
  if (missing !== undefined)
    throw unavailable(name, `${missing} does not exist`, 'Make it, or take it out of "write" and "read".');
  const mounts = [
    ...existing(SOCKETS).map(hidden),
    ...(sandbox.network && existsSync(RESOLVER) ? [bound('--ro-bind', RESOLVER)] : []),
    ...sandbox.read.map((one) => bound('--ro-bind', one)),
    ...write.map((one) => bound('--bind', one)),
    ...existing([...place.hide, ...sandbox.hide]).map(hidden),
  ].sort((one, other) => depthOf(one.at) - depthOf(other.at));
  return {
    command: program,
    args: [
      '--die-with-parent',
      '--unshare-all',
      ...(sandbox.network ? ['--share-net'] : []),
      '--cap-drop',
      'ALL',
      '--ro-bind',
      '/',
      '/',
      '--dev',
      '/dev',
      '--proc',
      '/proc',
      ...mounts.flatMap(({ words }) => words),
      ...(place.cwd === undefined ? [] : ['--chdir', place.cwd]),
      '--',
      inner.command,
      ...inner.args,
    ],
  };
}

/**
 * What is laid over one directory. They are sorted by depth, since a later one covers what it lies on: so what is hidden
 * stays hidden within what may be read or written, and what is said of a directory within a hidden one counts.
 */
interface Mount {
  /** Without links: a link would lead around what covers the place it means. */
  readonly at: string;
  readonly words: readonly string[];
}

function hidden(path: string): Mount {
  const at = realpathSync(path);
  return { at, words: ['--tmpfs', at] };
}

function bound(how: '--bind' | '--ro-bind', path: string): Mount {
  const at = realpathSync(path);
  return { at, words: [how, at, at] };
}

const depthOf = (path: string): number => path.split('/').length;

const existing = (paths: readonly string[]): string[] => paths.filter((one) => existsSync(one));

/** Where a container sees what is to be hidden, if it does: within what it is given of this machine. */
function covers(mounts: readonly string[], hide: readonly string[]): string[] {
  const real = existing(mounts).map((one) => ({ one, at: realpathSync(one) }));
  const seen = existing(hide).flatMap((path) => {
    const at = realpathSync(path);
    return real
      .filter((mount) => at.startsWith(`${mount.at}/`))
      .map((mount) => mount.one + at.slice(mount.at.length));
  });
  return [...new Set(seen)];
}

function unavailable(server: string, why: string, hint: string): RuntimeError {
  return new RuntimeError(
    'SERVER_START_FAILED',
    `The server "${server}" was not started: its sandbox cannot be had, since ${why}.`,
    { hint, retryable: false, data: { server, phase: 'spawn', errno: 'ENOTSUP' } },
  );
}
