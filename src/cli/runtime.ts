import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, existsSync, mkdtempSync, openSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Environment, Settings } from '../config/settings.js';
import type { Caller } from '../core/caller.js';
import { RuntimeError } from '../core/errors.js';
import type { Logger } from '../lib/log.js';
import { packageFile } from '../lib/package-file.js';
import { ensurePrivateDir } from '../lib/private-dir.js';
import type { RuntimePort } from '../operations/table.js';
import type { EngineDescriptor } from '../wire/engine-descriptor.js';
import type { EngineDirectory } from '../wire/engine-directory.js';
import type { EngineStart } from '../wire/engine-start.js';
import { collectSeldom, letYoungGrow } from './boot/young-generation.js';
import { withAllocator } from './engine-allocator.js';
import { closeInherited } from './inherited-descriptors.js';
import { MARKER } from './marker.js';
import { packageVersion } from './version.js';

/** A runtime, wherever it is, and the way to let go of it. */
export interface RuntimeHandle {
  readonly port: RuntimePort;
  close(): Promise<void>;
}

export interface OpenOptions {
  readonly settings: Settings;
  readonly environment: Environment;
  readonly logger: Logger;
  /** What this process calls itself to the engine. */
  readonly name: string;
  /** Tells people what is not as they may think. */
  readonly note: (text: string) => void;
}

/** As `bin.js`, without Node's loader of ES modules, which takes an engine some 10 ms. */
const BIN = fileURLToPath(packageFile('dist/command/bin.cjs'));

/**
 * Joins the engine of the home, and starts it when there is none. Where that cannot be, an engine of its own in this
 * process serves, and `note` says so.
 */
export async function openShared(options: OpenOptions, begun?: EngineStart): Promise<RuntimeHandle> {
  try {
    const { joinOrStart } = await import('../wire/join-or-start.js');
    const directory = await engineDirectory(options.settings);
    const remote = await joinOrStart({
      ...wireFacts(options),
      directory,
      begun,
      spawnEngine: () => spawnEngine(options.settings),
      linkKind: options.settings.engineLink,
      onVersionDifference: (engine, own) =>
        options.note(
          `The engine that runs is version ${engine}, this is ${own}; it is used by others and goes on.`,
        ),
    });
    return { port: remote, close: () => remote.close() };
  } catch (error) {
    if (
      !(error instanceof RuntimeError) ||
      !['HOME_UNUSABLE', 'ENGINE_UNAVAILABLE', 'STORAGE_FAILED'].includes(error.code)
    )
      throw error;
    options.note(`${error.message} An engine of its own serves this client.`);
    return openEmbedded(options, error.message);
  }
}

/**
 * Sets an engine of the home on its way where none has said where it is, without what is needed to join it. What goes wrong
 * is said by `openShared`, which is to be given this.
 */
export async function startShared(settings: Settings): Promise<EngineStart | undefined> {
  if (existsSync(engineDescriptor(settings))) return undefined;
  try {
    const { EngineStart } = await import('../wire/engine-start.js');
    const { startingPath } = await engineDirectory(settings);
    const start = new EngineStart(startingPath, () => spawnEngine(settings));
    await start.attempt();
    return start;
  } catch {
    return undefined;
  }
}

/**
 * Joins the engine of the home if one runs.
 * @param onOther hears of one that answered, but in another version of the protocol.
 */
export async function joinRunning(
  options: OpenOptions,
  onOther: (engine: EngineDescriptor) => void = () => {},
): Promise<RuntimeHandle | undefined> {
  const [{ readDescriptor }, { linkTo }, { connectRuntime }] = await Promise.all([
    import('../wire/engine-descriptor.js'),
    import('../wire/link-address.js'),
    import('../wire/client.js'),
  ]);
  const found = await readDescriptor(await engineDirectory(options.settings));
  for (const address of found?.addresses ?? []) {
    try {
      const remote = await connectRuntime({
        ...wireFacts(options),
        link: linkTo(address, { timeoutMs: 2_000 }),
      });
      return { port: remote, close: () => remote.close() };
    } catch (error) {
      // Else gone, or a link that cannot be used here: the next address.
      if (found && error instanceof RuntimeError && error.data?.['reason'] === 'version') {
        onOther(found);
        return undefined;
      }
    }
  }
  return undefined;
}

/** Joins an engine on another host, or by address. @throws RuntimeError ENGINE_UNAVAILABLE, CONFIG_INVALID. */
export async function openRemote(
  options: OpenOptions,
  address: string,
  key: string | undefined,
): Promise<RuntimeHandle> {
  const [{ linkTo }, { connectRuntime }, { parseClientKey }] = await Promise.all([
    import('../wire/link-address.js'),
    import('../wire/client.js'),
    import('../wire/curve.js'),
  ]);
  const link = linkTo(address, key === undefined ? {} : { key: parseClientKey(key) });
  const remote = await connectRuntime({ ...wireFacts(options), link, reconnect: async () => link });
  return { port: remote, close: () => remote.close() };
}

/**
 * An engine in this process. Its tasks and content are kept beside those of the shared engine; of several at once
 * the first keeps them, the others use a directory that goes with them.
 */
export async function openEmbedded(options: OpenOptions, unusable?: string): Promise<RuntimeHandle> {
  letYoungGrow();
  collectSeldom();
  const { composeEngine } = await import('./compose.js');
  closeInherited();
  const { settings } = options;
  const place = unusable === undefined ? await ownPlace(settings) : undefined;
  const temporary = place?.temporary ?? (place ? undefined : mkdtempSync(join(tmpdir(), 'mcp-runtime-')));
  const composed = await composeEngine({
    ...options,
    settings: place ? settings : { ...settings, home: temporary ?? settings.home },
    stateDirectory: place?.directory ?? temporary ?? settings.home,
    mode: 'embedded',
    problems: unusable === undefined ? [] : [`${unusable} Nothing is remembered beyond this session.`],
  }).catch(async (error: unknown) => {
    place?.release();
    throw error;
  });
  composed.engine.learnInBackground();
  return {
    port: composed.engine,
    close: async () => {
      await composed.close();
      place?.release();
      if (temporary) await rm(temporary, { recursive: true, force: true });
    },
  };
}

/** The caller of a command: this user, for as long as the command runs. */
export function commandCaller(name: string): Caller {
  return { principal: 'local', clientId: randomUUID(), clientName: `mcp-runtime ${name}` };
}

export async function engineDirectory(settings: Settings): Promise<EngineDirectory> {
  const { openEngineDirectory } = await import('../wire/engine-directory.js');
  return openEngineDirectory({ home: settings.home, runtimeDir: process.env['XDG_RUNTIME_DIR'] });
}

/** Where an engine of the home says how it is reached. */
const engineDescriptor = (settings: Settings): string => join(settings.home, 'engine', 'engine.json');

export const engineLog = (settings: Settings): string => join(settings.home, 'engine', 'engine.log');

const wireFacts = ({ name }: OpenOptions) => ({ version: packageVersion(), name, pid: process.pid });

/** Starts the engine of a home as a process of its own, which this one does not wait for. */
function spawnEngine(settings: Settings): ReturnType<typeof spawn> {
  const log = openSync(engineLog(settings), 'a', 0o600);
  // A front-end that was itself started by an engine carries that engine's mark; this one is nobody's child.
  const { [MARKER]: _mark, ...environment } = process.env;
  try {
    const child = spawn(process.execPath, [BIN, 'engine', 'run', '--home', settings.home], {
      detached: true,
      stdio: ['ignore', log, log],
      // Settings were resolved here already; relative paths mean the directory of this process.
      env: withAllocator({
        ...environment,
        ...(settings.configNamed ? { MCP_RUNTIME_CONFIG: settings.configPath } : {}),
      }),
      cwd: settings.home,
    });
    child.unref();
    return child;
  } finally {
    closeSync(log);
  }
}

interface Place {
  readonly directory: string;
  readonly temporary: string | undefined;
  release(): void;
}

async function ownPlace(settings: Settings): Promise<Place> {
  const { acquireEngineLock } = await import('../wire/engine-lock.js');
  const directory = join(settings.home, 'embedded');
  await ensurePrivateDir(settings.home);
  await ensurePrivateDir(directory);
  try {
    const lock = await acquireEngineLock({
      ...(await engineDirectory(settings)),
      lockPath: join(directory, 'engine.lock'),
    });
    return { directory, temporary: undefined, release: () => lock.release() };
  } catch (error) {
    if (!(error instanceof RuntimeError) || error.code !== 'ENGINE_UNAVAILABLE') throw error;
    const own = join(directory, randomUUID());
    return { directory: own, temporary: own, release: () => {} };
  }
}
