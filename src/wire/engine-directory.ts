import { randomBytes } from 'node:crypto';
import { readdir, unlink } from 'node:fs/promises';
import { platform, tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { sha256 } from '../lib/hash.js';
import { ensurePrivateDir } from '../lib/private-dir.js';

/** The kernel takes 107 bytes of a socket's path, macOS 103. */
const MAX_PATH_BYTES = 100;

/** Where one home's engine keeps its lock, its description and its sockets. */
export interface EngineDirectory {
  readonly lockPath: string;
  readonly descriptorPath: string;
  /** There from the start of an engine until all of it has ended: what the next one finds was killed. */
  readonly runningPath: string;
  /** Front-ends that start an engine at the same moment take turns by this file. */
  readonly startingPath: string;
  /** A new name for a socket, short enough for the kernel; never used before, so never another's. */
  socketPath(kind: 'zeromq' | 'socket'): string;
  /** Removes the sockets of engines that are gone. Only for the holder of the lock. */
  sweep(): Promise<void>;
}

export interface EngineDirectoryOptions {
  /** The resolved MCP_RUNTIME_HOME. */
  readonly home: string;
  /** XDG_RUNTIME_DIR, where it is set. */
  readonly runtimeDir?: string | undefined;
  readonly tmp?: string | undefined;
}

/**
 * Makes the directory, closed to others. Sockets whose path would be too long stand in the runtime directory or
 * the temporary one, under a name derived from home and user; where they are, the description in the home says.
 * @throws RuntimeError HOME_UNUSABLE: not ours, a link, not writable.
 */
export async function openEngineDirectory(options: EngineDirectoryOptions): Promise<EngineDirectory> {
  const dir = join(options.home, 'engine');
  await ensurePrivateDir(options.home);
  await ensurePrivateDir(dir);
  const fits = (path: string) => Buffer.byteLength(path) <= MAX_PATH_BYTES;
  const tag = sha256(`${process.geteuid?.() ?? -1}\0${dir}`).slice(0, 16);
  const places = [dir];
  for (const base of [options.runtimeDir, options.tmp ?? tmpdir()])
    if (base !== undefined && base !== '') places.push(join(base, `mcp-runtime-${tag}`));
  const sockets = places.find((place) => fits(join(place, NAME_LIKE))) ?? join('/tmp', `mcp-runtime-${tag}`);
  const pipes = platform() === 'win32';
  if (!pipes && sockets !== dir) await ensurePrivateDir(sockets);
  return {
    lockPath: join(dir, 'engine.lock'),
    descriptorPath: join(dir, 'engine.json'),
    runningPath: join(dir, 'running'),
    startingPath: join(dir, 'starting'),
    socketPath: (kind) => {
      const name = `${kind === 'zeromq' ? 'z' : 's'}-${randomBytes(6).toString('hex')}`;
      return pipes ? `\\\\.\\pipe\\mcp-runtime-${tag}-${name}` : join(sockets, name);
    },
    sweep: async () => {
      if (pipes) return;
      for (const name of await readdir(sockets))
        if (/^[sz]-[0-9a-f]{12}$/.test(name)) await unlink(join(sockets, name)).catch(() => {});
    },
  };
}

const NAME_LIKE = 'z-0123456789ab';
