import { dirname, join } from 'node:path';
import { DefinitionPins } from '../../catalog/pins/definition-pins.js';
import { PinDb } from '../../catalog/pins/pin-db.js';
import { readServersFile } from '../../config/servers-file.js';
import type { Settings } from '../../config/settings.js';
import { RuntimeError } from '../../core/errors.js';
import { LOOPBACK_HOSTS } from '../../http/guard.js';
import { createIndexApp } from '../../http/index-api/app.js';
import { type HttpListener, isLoopback, listen, namesOfHost } from '../../http/listen.js';
import { createLogger } from '../../lib/log.js';
import { ensurePrivateDir } from '../../lib/private-dir.js';
import { acquireEngineLock, type EngineLock } from '../../wire/engine-lock.js';
import { type ComposedEngine, composeEngine } from '../compose.js';
import { type GlobalFlags, loadSettings } from '../environment.js';
import { createOutput } from '../output.js';
import { portOf } from '../port.js';
import { engineDirectory } from '../runtime.js';
import { untilStopped } from '../signals.js';
import { packageVersion } from '../version.js';
import { watchFile } from '../watch-servers.js';
import { refuseUnapproved } from './definitions.js';
import { EngineIndex } from './engine-index.js';
import { StartupStore } from './startup-store.js';

export interface ServeIndexFlags extends GlobalFlags {
  readonly host: string;
  readonly port: string;
  readonly allowedHost?: string[];
  readonly allowedOrigin?: string[];
  readonly includeFile: boolean;
}

/** Serves the mcp_index API until a signal comes. @returns the exit code. */
export async function serveIndex(flags: ServeIndexFlags): Promise<number> {
  const output = createOutput({ json: flags.json === true });
  const stop = untilStopped();
  const closers: (() => unknown)[] = [];
  try {
    const { settings, environment } = loadSettings(flags);
    mustBeSafe(flags, settings);
    const logger = createLogger(settings.logLevel);
    const { apiKey, encryptionKey } = settings.indexServer;
    // Beside the user's own catalog, and without a remote index: an index that asks itself would never end.
    const home = join(settings.home, 'index');
    await ensurePrivateDir(settings.home);
    await ensurePrivateDir(home);
    const lock = await lockOf(settings, home);
    closers.push(() => lock.release());
    const startups = new StartupStore(join(home, 'startups.db'), encryptionKey);
    closers.push(() => startups.close());
    const composed: ComposedEngine = await composeEngine({
      settings: { ...settings, home, contentPath: undefined, discovery: undefined },
      environment,
      logger,
      stateDirectory: home,
      secretsHome: settings.home,
      mode: 'index',
      servers: { path: '', definitions: [], problems: [] },
    });
    closers.push(() => composed.close());
    const pins = new PinDb(join(home, 'pins.db'));
    closers.push(() => pins.close());
    const store = new EngineIndex({
      engine: composed.engine,
      startups,
      key: encryptionKey,
      mayRun: (definition) => {
        if (settings.trust === 'ask') refuseUnapproved(new DefinitionPins(pins), definition);
      },
    });
    const apply = async () => {
      const file = flags.includeFile
        ? await readServersFile(settings.configPath, {
            environment,
            mustExist: settings.configNamed,
            baseDirectory: dirname(settings.configPath),
          })
        : undefined;
      const left = await store.serve(file);
      for (const text of [...(file?.problems.map(({ message }) => message) ?? []), ...left])
        output.note(text);
      composed.engine.learnInBackground();
    };
    await apply();
    if (flags.includeFile)
      closers.push(
        watchFile(settings.configPath, () => {
          apply().catch((error: unknown) =>
            logger.error({ error: String(error) }, 'the servers file could not be applied'),
          );
        }),
      );
    const app = createIndexApp({
      store,
      apiKey,
      encryptionKey,
      version: packageVersion(),
      allowedHosts: [...LOOPBACK_HOSTS, ...namesOfHost(flags.host), ...(flags.allowedHost ?? [])],
      allowedOrigins: flags.allowedOrigin,
      onError: (error) => logger.error({ err: error }, 'index'),
    });
    const listening: HttpListener = await listen(app.fetch, {
      host: flags.host,
      port: portOf(flags.port),
      logger,
      onclose: async () => {},
    });
    closers.push(() => listening.close());
    output.note(`mcp-runtime serves its index on ${listening.url}/api/mcp`);
    await stop.signalled;
    return 0;
  } catch (error) {
    return await output.failure(error);
  } finally {
    stop.release();
    // What came last goes first: no new request while the engine ends.
    for (const close of closers.reverse()) await close();
  }
}

/** @throws RuntimeError UNAUTHORIZED, CONFIG_INVALID */
function mustBeSafe(flags: ServeIndexFlags, settings: Settings): void {
  const { apiKey, encryptionKey } = settings.indexServer;
  if (!isLoopback(flags.host) && apiKey === undefined) {
    throw new RuntimeError('UNAUTHORIZED', `The index does not listen on ${flags.host} without a key.`, {
      hint: 'Whoever reaches it can start programs here. Set INDEX_API_KEY, or listen on 127.0.0.1.',
    });
  }
  if (flags.includeFile && encryptionKey === undefined) {
    throw new RuntimeError('CONFIG_INVALID', 'The servers file is not served without ENCRYPTION_KEY.', {
      hint: 'Its entries hold what your environment filled in. mcp-runtime index keygen makes a key.',
    });
  }
}

async function lockOf(settings: Settings, home: string): Promise<EngineLock> {
  try {
    return await acquireEngineLock({
      ...(await engineDirectory(settings)),
      lockPath: join(home, 'engine.lock'),
    });
  } catch (error) {
    if (!(error instanceof RuntimeError) || error.data?.['reason'] !== 'running') throw error;
    throw new RuntimeError('ENGINE_UNAVAILABLE', 'An index of this home is being served already.', {
      hint: 'Stop it, or set another MCP_RUNTIME_HOME.',
      cause: error,
    });
  }
}
