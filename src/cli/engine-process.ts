import { readFile } from 'node:fs/promises';
import { RuntimeError } from '../core/errors.js';
import { createLogger } from '../lib/log.js';
import type { ServerKey } from '../wire/curve.js';
import { type HostedEngine, hostEngine } from '../wire/engine-host.js';
import { collectSeldom } from './boot/young-generation.js';
import { type ComposedEngine, composeEngine } from './compose.js';
import { forgetAllocator } from './engine-allocator.js';
import { type GlobalFlags, loadSettings } from './environment.js';
import { trimWhenIdle } from './idle-memory.js';
import { closeInherited } from './inherited-descriptors.js';
import { createOutput } from './output.js';
import { engineDirectory } from './runtime.js';
import { untilStopped } from './signals.js';
import { packageVersion } from './version.js';

export interface EngineFlags extends GlobalFlags {
  readonly listen?: string;
  readonly keyFile?: string;
}

/** How long running calls get to finish when the engine is asked to end, ms. */
const DRAIN_MS = 10_000;
/** What then has not ended is ended by the next engine, which this one must not keep out for ever, ms. */
const LAST_MS = 30_000;
/** Between two looks at whether anyone still needs the engine, ms. */
const LOOK_MS = 1_000;
/** Without any client the servers end this long after the last one left; a client that reloads is back before, ms. */
const UNATTENDED_MS = 2_500;

/** Is the engine of a home until it is told to end, nobody has needed it for long, or a newer one takes over. */
export async function runEngine(flags: EngineFlags): Promise<number> {
  forgetAllocator(process.env);
  const output = createOutput({ json: flags.json === true });
  const stop = untilStopped();
  let composed: ComposedEngine | undefined;
  let hosted: HostedEngine | undefined;
  try {
    const { settings, environment } = loadSettings(flags);
    const logger = createLogger(settings.logLevel === 'warn' ? 'info' : settings.logLevel);
    const key = flags.keyFile === undefined ? undefined : await readServerKey(flags.keyFile);
    let retire: () => void = () => {};
    const retired = new Promise<'retired'>((resolve) => {
      retire = () => resolve('retired');
    });
    let frontEnds = 0;
    let lastNeeded = Date.now();
    hosted = await hostEngine({
      directory: await engineDirectory(settings),
      open: async (before) => {
        closeInherited();
        composed = await composeEngine({
          settings,
          environment,
          logger,
          stateDirectory: settings.home,
          mode: settings.engineLink,
          before,
        });
        return composed.engine;
      },
      close: async () => composed?.close(),
      version: packageVersion(),
      pid: process.pid,
      link: settings.engineLink,
      ...tcpOf(flags.listen, key),
      busy: () => composed?.engine.idle === false,
      onFrontEnds: (count) => {
        frontEnds = count;
        lastNeeded = Date.now();
      },
      onRetire: retire,
      logger,
    });
    const engine = composed?.engine;
    logger.info({ pid: process.pid, home: settings.home, addresses: hosted.addresses }, 'the engine runs');
    engine?.learnInBackground();
    trimWhenIdle(collectSeldom);
    let looking: NodeJS.Timeout | undefined;
    const idle = new Promise<'idle'>((resolve) => {
      looking = setInterval(() => {
        if (frontEnds > 0 || engine?.idle === false) lastNeeded = Date.now();
        const unneeded = Date.now() - lastNeeded;
        if (unneeded >= UNATTENDED_MS) void engine?.stopUnusedServers();
        if (unneeded >= settings.engineIdleTimeoutMs) resolve('idle');
      }, LOOK_MS).unref();
    });
    const why = await Promise.race([stop.signalled.then(() => 'asked' as const), idle, retired]);
    clearInterval(looking);
    logger.info({ why }, 'the engine ends');
    setTimeout(
      () => {
        logger.error('the engine did not end by itself and is killed');
        process.kill(process.pid, 'SIGKILL');
      },
      (why === 'asked' ? DRAIN_MS : 0) + LAST_MS,
    ).unref();
    if (why === 'asked') await hosted.drain(DRAIN_MS);
    return 0;
  } catch (error) {
    return await output.failure(error);
  } finally {
    stop.release();
    await hosted?.close();
  }
}

function tcpOf(endpoint: string | undefined, key: ServerKey | undefined) {
  if (endpoint === undefined) return {};
  if (key === undefined)
    throw new RuntimeError('CONFIG_INVALID', `The engine does not listen on ${endpoint} without keys.`, {
      hint: 'Make them with mcp-runtime engine keygen and give the file with --key-file.',
    });
  return { tcp: { endpoint, key } };
}

async function readServerKey(path: string): Promise<ServerKey> {
  try {
    const { publicKey, secretKey, clients } = JSON.parse(await readFile(path, 'utf8')) as Partial<ServerKey>;
    if (typeof publicKey === 'string' && typeof secretKey === 'string' && Array.isArray(clients))
      return { publicKey, secretKey, clients };
  } catch {
    // Told below without what the file says: it holds a secret.
  }
  throw new RuntimeError('CONFIG_INVALID', `The key file ${path} cannot be read.`, {
    hint: 'Make one with mcp-runtime engine keygen.',
  });
}
