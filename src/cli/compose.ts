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
  const engineId = `${process.pid}.${randomUUID().slice(0, 8)}`;
  let started = 0;
  const baseEnv = Object.fromEntries(
    Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
  const servers = await readServersFile(settings.configPath, {
    environment,
    mustExist: settings.configNamed,
    baseDirectory: dirname(settings.configPath),
  });
  for (const problem of servers.problems) logger.warn({ server: problem.server }, problem.message);
  const engine = await RuntimeEngine.start({
    settings,
    stateDirectory: settings.home,
    servers,
    open: (definition, _tenant, signal) => {
      started += 1;
      return openSession(definition, {
        signal,
        marker: { name: MARKER, value: `${engineId}.${started}` },
        baseEnv,
        logger,
        clientInfo: { name: 'mcp-runtime', version },
      });
    },
    familyMemory,
    logger,
    version,
    pid: process.pid,
    mode: 'embedded',
    memory: () => process.memoryUsage.rss(),
  });
  return { engine, port: engine, logger, close: () => engine.close() };
}

/** The caller of a command: this user, for as long as the command runs. */
export function commandCaller(name: string): Caller {
  return { principal: 'local', clientId: randomUUID(), clientName: `mcp-runtime ${name}` };
}
