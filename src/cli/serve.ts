import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Environment, Settings } from '../config/settings.js';
import type { Logger } from '../lib/log.js';
import { greeting } from '../mcp/greeting.js';
import { offersNative } from '../mcp/introduction.js';
import { StdioTransport } from '../mcp/stdio-transport.js';
import type { RuntimePort } from '../operations/table.js';
import type { EngineStart } from '../wire/engine-start.js';
import { letYoungGrow } from './boot/young-generation.js';
import { type GlobalFlags, loadSettings } from './environment.js';
import { trimWhenIdle } from './idle-memory.js';
import { createOutput } from './output.js';
import { portOf } from './port.js';
import {
  type OpenOptions,
  openEmbedded,
  openRemote,
  openShared,
  type RuntimeHandle,
  startShared,
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
  let begun: Promise<EngineStart | undefined> | undefined;
  let opening: Promise<RuntimeHandle> | undefined;
  let face: RunningFace | undefined;
  try {
    const { settings, environment } = loadSettings(flags);
    // What takes longest goes first: an engine that has yet to start, and meanwhile the client, which has a time-out too, is
    // greeted. Only then all the rest is loaded.
    begun = flags.engine === 'shared' ? startShared(settings) : undefined;
    await begun;
    const exposure = await exposureOf(flags, settings, environment);
    const transport = flags.transport === 'stdio' ? greetOverStdio(flags, exposure) : undefined;
    await pendingInput();
    const [{ createLogger }, { lazyPort }] = await Promise.all([
      import('../lib/log.js'),
      import('./lazy-port.js'),
    ]);
    const logger = createLogger(settings.logLevel);
    const options = { settings, environment, logger, name: `serve ${flags.transport}`, note: output.note };
    const opened = openRuntime(flags, options, await begun);
    opening = opened;
    const port = lazyPort(opened.then((runtime) => runtime.port));
    face = transport
      ? await serveOverStdio(port, exposure, transport, logger)
      : await serveOverHttp(port, flags, exposure, options);
    trimWhenIdle();
    const failed = opened.then(
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
    await Promise.all([closing, runtime?.close(), begun?.then((start) => start?.end())]);
  }
}

/** Resolves when what a client had already said was read and answered: once round the event loop for each. */
async function pendingInput(): Promise<void> {
  for (let round = 0; round < 2; round++) await new Promise((resolve) => setImmediate(resolve));
}

function openRuntime(
  flags: ServeFlags,
  options: OpenOptions,
  begun: EngineStart | undefined,
): Promise<RuntimeHandle> {
  if (flags.engine === 'embedded') return openEmbedded(options);
  if (flags.engine === 'shared') return openShared(options, begun);
  return openRemote(options, flags.engine, flags.engineKey ?? options.environment['MCP_RUNTIME_ENGINE_KEY']);
}

/** Reads what the client says from now on, and greets it. */
function greetOverStdio(flags: ServeFlags, exposure: Exposure): StdioTransport {
  const facts = { expose: flags.expose, version: packageVersion(), native: offersNative(exposure) };
  const { stdin, stdout } = process;
  const transport = new StdioTransport({ stdin, stdout, greet: greeting(facts) });
  transport.listen();
  return transport;
}

async function serveOverStdio(
  port: RuntimePort,
  exposure: Exposure,
  transport: StdioTransport,
  logger: Logger,
): Promise<RunningFace> {
  const [{ createMcpFace }, { serveStdio }] = await Promise.all([
    import('../mcp/face.js'),
    import('../mcp/serve-stdio.js'),
  ]);
  const face = createMcpFace(port, {
    workspace: process.cwd(),
    ...exposure,
    version: packageVersion(),
    logger,
  });
  const service = serveStdio(face, { stdin: process.stdin, stdout: process.stdout, transport });
  return { gone: service.closed, close: () => service.close() };
}

async function serveOverHttp(
  port: RuntimePort,
  flags: ServeFlags,
  exposure: Exposure,
  options: OpenOptions,
): Promise<RunningFace> {
  letYoungGrow();
  const { logger, settings } = options;
  const address = { host: flags.host, port: portOf(flags.port) };
  const [{ createHttpFace }, { LOOPBACK_HOSTS }, { httpAccess }] = await Promise.all([
    import('../http/face.js'),
    import('../http/guard.js'),
    import('./http-access.js'),
  ]);
  const face = createHttpFace(port, {
    ...exposure,
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

/** What is shown, of ours and of the upstream servers. */
interface Exposure {
  readonly expose: ServeFlags['expose'];
  readonly pins: readonly { readonly server: string; readonly tool?: string }[];
  /** Whether definitions pin whole servers; it must be known before the engine is there. */
  readonly wholePins: boolean;
}

async function exposureOf(
  { expose, pin = [] }: ServeFlags,
  settings: Settings,
  environment: Environment,
): Promise<Exposure> {
  const pins = pin.map(pinOf);
  // Most files pin nothing, and reading one by the rules takes as long as greeting the client.
  const text = await readFile(settings.configPath, 'utf8').catch(() => '');
  if (!/"pin"|\\u/.test(text)) return { expose, pins, wholePins: false };
  const { readServersFile } = await import('../config/servers-file.js');
  const { definitions } = await readServersFile(settings.configPath, {
    environment,
    mustExist: false,
    baseDirectory: dirname(settings.configPath),
  });
  return { expose, pins, wholePins: definitions.some((one) => one.pin === true) };
}

/** The first slash ends the name of the server; names of tools may have more of them. */
function pinOf(text: string): { server: string; tool?: string } {
  const slash = text.indexOf('/');
  return slash < 0 ? { server: text } : { server: text.slice(0, slash), tool: text.slice(slash + 1) };
}
