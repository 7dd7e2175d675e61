import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Settings } from '../config/settings.js';
import { createLogger } from '../lib/log.js';
import type { RuntimePort } from '../operations/table.js';
import { type GlobalFlags, loadSettings } from './environment.js';
import { trimWhenIdle } from './idle-memory.js';
import { lazyPort } from './lazy-port.js';
import { createOutput } from './output.js';
import { portOf } from './port.js';
import {
  engineDescriptor,
  type OpenOptions,
  openEmbedded,
  openRemote,
  openShared,
  type RuntimeHandle,
} from './runtime.js';
import { untilStopped } from './signals.js';
import { packageVersion } from './version.js';

export interface ServeFlags extends GlobalFlags {
  readonly transport: 'stdio' | 'streamable-http' | 'http' | 'sse';
  readonly host: string;
  readonly port: string;
  readonly allowedHost?: string[];
  readonly allowedOrigin?: string[];
  readonly expose: 'tools' | 'router' | 'direct';
  /** `server` or `server/tool`. */
  readonly pin?: string[];
  /** `shared`, `embedded`, or the address of an engine. */
  readonly engine: string;
  readonly engineKey?: string;
}

/** What a face gives to whoever runs it. */
interface RunningFace {
  /** Resolves when the client is gone, for a face that serves only one. */
  readonly gone: Promise<void>;
  close(): Promise<void>;
}

/** Serves until the client leaves or a signal comes; then what belongs to this front-end ends too. @returns the exit code. */
export async function serve(flags: ServeFlags): Promise<number> {
  const output = createOutput({ json: flags.json === true });
  const stop = untilStopped();
  let opening: Promise<RuntimeHandle> | undefined;
  let face: RunningFace | undefined;
  try {
    const { settings, environment } = loadSettings(flags);
    const logger = createLogger(settings.logLevel);
    const options = { settings, environment, logger, name: `serve ${flags.transport}`, note: output.note };
    const open = () => {
      const runtime = openRuntime(flags, options);
      opening = runtime;
      return runtime;
    };
    // The client is greeted while the engine is still on its way: it has a time-out too. A process that has yet to start
    // is on its way first; what this process has to do for it waits until the client was greeted.
    let greet: () => void = () => {};
    const greeted = new Promise<void>((resolve) => {
      greet = resolve;
    });
    const started = mustStartEngine(flags, settings) ? open() : greeted.then(open);
    const port = lazyPort(started.then((runtime) => runtime.port));
    face =
      flags.transport === 'stdio'
        ? await serveOverStdio(port, flags, options)
        : await serveOverHttp(port, flags, options);
    await pendingInput();
    greet();
    trimWhenIdle();
    const failed = started.then(
      () => new Promise<never>(() => {}),
      (error: unknown) => Promise.reject(error),
    );
    await Promise.race([stop.signalled, face.gone, failed]);
    return 0;
  } catch (error) {
    return await output.failure(error);
  } finally {
    stop.release();
    // The face first, so that nothing new comes in while the engine ends.
    const closing = face?.close();
    const runtime = await opening?.catch(() => undefined);
    await Promise.all([closing, runtime?.close()]);
  }
}

/** Whether no engine of the home has told where it is: then one has to be started, which takes longest of all. */
const mustStartEngine = ({ engine }: ServeFlags, settings: Settings): boolean =>
  engine === 'shared' && !existsSync(engineDescriptor(settings));

/** Resolves when what a client had already said was read and answered: once round the event loop for each. */
async function pendingInput(): Promise<void> {
  for (let round = 0; round < 2; round++) await new Promise((resolve) => setImmediate(resolve));
}

function openRuntime(flags: ServeFlags, options: OpenOptions): Promise<RuntimeHandle> {
  if (flags.engine === 'embedded') return openEmbedded(options);
  if (flags.engine === 'shared') return openShared(options);
  return openRemote(options, flags.engine, flags.engineKey ?? options.environment['MCP_RUNTIME_ENGINE_KEY']);
}

async function serveOverStdio(
  port: RuntimePort,
  flags: ServeFlags,
  options: OpenOptions,
): Promise<RunningFace> {
  const { logger } = options;
  const [{ createMcpFace }, { serveStdio }] = await Promise.all([
    import('../mcp/face.js'),
    import('../mcp/serve-stdio.js'),
  ]);
  const face = createMcpFace(port, {
    workspace: process.cwd(),
    expose: flags.expose,
    ...(await exposureOf(flags, options)),
    version: packageVersion(),
    logger,
  });
  const service = serveStdio(face, { stdin: process.stdin, stdout: process.stdout });
  return { gone: service.closed, close: () => service.close() };
}

async function serveOverHttp(
  port: RuntimePort,
  flags: ServeFlags,
  options: OpenOptions,
): Promise<RunningFace> {
  const { logger, settings } = options;
  const address = { host: flags.host, port: portOf(flags.port) };
  const [{ createHttpFace }, { LOOPBACK_HOSTS }, { httpAccess }] = await Promise.all([
    import('../http/face.js'),
    import('../http/guard.js'),
    import('./http-access.js'),
  ]);
  const face = createHttpFace(port, {
    expose: flags.expose,
    ...(await exposureOf(flags, options)),
    version: packageVersion(),
    logger,
    ...(await httpAccess(settings, address, logger)),
    corsOrigins: settings.http.corsOrigins,
    ratePerMinute: settings.http.ratePerMinute,
    ...(flags.allowedHost === undefined ? {} : { allowedHosts: [...LOOPBACK_HOSTS, ...flags.allowedHost] }),
    ...(flags.allowedOrigin === undefined ? {} : { allowedOrigins: flags.allowedOrigin }),
  });
  const listening = await face.listen(address);
  process.stderr.write(
    `mcp-runtime listens on ${listening.url}/mcp (streamable HTTP) and ${listening.url}/sse\n`,
  );
  return { gone: new Promise(() => {}), close: () => listening.close() };
}

/** What of the upstream servers is shown. Whether whole ones are pinned must be known before the engine is there. */
async function exposureOf(flags: ServeFlags, { settings, environment }: OpenOptions) {
  const pins = (flags.pin ?? []).map(pinOf);
  // Most files pin nothing, and reading one by the rules takes as long as greeting the client.
  const text = await readFile(settings.configPath, 'utf8').catch(() => '');
  if (!/"pin"|\\u/.test(text)) return { pins, wholePins: false };
  const { readServersFile } = await import('../config/servers-file.js');
  const { definitions } = await readServersFile(settings.configPath, {
    environment,
    mustExist: false,
    baseDirectory: dirname(settings.configPath),
  });
  return {
    pins,
    wholePins: definitions.some(({ pin }) => pin === true),
  };
}

/** The first slash ends the name of the server; names of tools may have more of them. */
function pinOf(text: string): { server: string; tool?: string } {
  const slash = text.indexOf('/');
  return slash < 0 ? { server: text } : { server: text.slice(0, slash), tool: text.slice(slash + 1) };
}
