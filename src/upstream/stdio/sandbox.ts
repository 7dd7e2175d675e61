import { existsSync } from 'node:fs';
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
export function inContainer(
  definition: StdioDefinition,
  { path, cwd }: Omit<Place, 'hide'>,
): StdioDefinition {
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
  const hidden = [...SOCKETS, ...place.hide, ...sandbox.hide].filter((one) => existsSync(one));
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
      ...hidden.flatMap((one) => ['--tmpfs', one]),
      ...(sandbox.network ? ['--ro-bind-try', RESOLVER, RESOLVER] : []),
      ...sandbox.read.flatMap((one) => ['--ro-bind', one, one]),
      ...write.flatMap((one) => ['--bind', one, one]),
      ...(place.cwd === undefined ? [] : ['--chdir', place.cwd]),
      '--',
      inner.command,
      ...inner.args,
    ],
  };
}

function unavailable(server: string, why: string, hint: string): RuntimeError {
  return new RuntimeError(
    'SERVER_START_FAILED',
    `The server "${server}" was not started: its sandbox cannot be had, since ${why}.`,
    { hint, retryable: false, data: { server, phase: 'spawn', errno: 'ENOTSUP' } },
  );
}
