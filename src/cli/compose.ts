import { randomUUID } from 'node:crypto';
import { dirname } from 'node:path';
import { readServersFile } from '../config/servers-file.js';
import type { Environment, Settings } from '../config/settings.js';
import type { Caller } from '../core/caller.js';
import { RuntimeEngine } from '../engine/engine.js';
import { createLogger, type Logger } from '../lib/log.js';
import type { RuntimePort } from '../operations/table.js';
import { openSession } from '../upstream/open-session.js';
import { familyMemory } from '../upstream/stdio/family-memory.js';
import { packageVersion } from './version.js';
import { watchFile } from './watch-servers.js';

/** Carried by every process we start, so that what is left over can be told from what is not ours. */
export const MARKER = 'MCP_RUNTIME_MARKER';

/** A runtime, wherever it is, and the way to let go of it. */
export interface RuntimeHandle {
  readonly port: RuntimePort;
  readonly logger: Logger;
  close(): Promise<void>;
}

export interface ComposeOptions {
  readonly settings: Settings;
  readonly environment: Environment;
  readonly logger?: Logger;
}

/** The composition root: an engine in this process, with everything it needs. */
export async function composeEngine(
  options: ComposeOptions,
): Promise<RuntimeHandle & { engine: RuntimeEngine }> {
  const { settings, environment } = options;
  const logger = options.logger ?? createLogger(settings.logLevel);
  const version = packageVersion();
  const marker = { name: MARKER, value: `${process.pid}.${randomUUID()}` };
  const baseEnv = Object.fromEntries(
    Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
  const readServers = async () => {
    const file = await readServersFile(settings.configPath, {
      environment,
      mustExist: settings.configNamed,
      baseDirectory: dirname(settings.configPath),
    });
    for (const problem of file.problems) logger.warn({ server: problem.server }, problem.message);
    return file;
  };
  let servers = await readServers();
  const engine = await RuntimeEngine.start({
    settings,
    stateDirectory: settings.home,
    servers,
    open: (definition, _tenant, signal) =>
      openSession(definition, {
        signal,
        marker,
        baseEnv,
        logger,
        clientInfo: { name: 'mcp-runtime', version },
      }),
    familyMemory,
    logger,
    version,
    pid: process.pid,
    mode: 'embedded',
    memory: () => process.memoryUsage.rss(),
  });
  const unwatch = watchFile(settings.configPath, () => {
    readServers()
      .then(async (file) => {
        // A file that cannot be read at all is a slip of the pen, not a wish to lose every server.
        const broken = file.problems.some((problem) => problem.fatal && problem.server === undefined);
        servers = broken ? { ...servers, problems: file.problems } : file;
        await engine.applyServers(servers);
        engine.learnInBackground();
      })
      .catch((error: unknown) =>
        logger.error({ error: String(error) }, 'the servers file could not be applied'),
      );
  });
  return {
    engine,
    port: engine,
    logger,
    close: () => {
      unwatch();
      return engine.close();
    },
  };
}

/** The caller of a command: this user, for as long as the command runs. */
export function commandCaller(name: string): Caller {
  return { principal: 'local', clientId: randomUUID(), clientName: `mcp-runtime ${name}` };
}
