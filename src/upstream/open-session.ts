import { randomBytes } from 'node:crypto';
import type { LookupFunction } from 'node:net';
import { RuntimeError } from '../core/errors.js';
import type { RemoteDefinition, ServerDefinition } from '../core/server.js';
import type { RequestOptions, SessionEnd, UpstreamEvent, UpstreamSession } from '../core/upstream.js';
import { deadline } from '../lib/abort.js';
import { Emitter } from '../lib/emitter.js';
import type { Logger } from '../lib/log.js';
import { lastLines, oneLine } from '../lib/printable.js';
import { askOwner } from './bridge.js';
import type { ChannelSink, MessageChannel } from './channel.js';
import type { Concealer } from './conceal.js';
import { concealedChannel, concealedSink } from './concealed-channel.js';
import { endFacts } from './errors.js';
import { greet } from './greet.js';
import { type ClientInfo, handshake, refusedVersion } from './handshake.js';
import { Peer } from './peer.js';
import { cancelled } from './pending.js';
import { ownDispatcher } from './remote/dispatcher.js';
import { endpointOf } from './remote/endpoint.js';
import { SseChannel } from './remote/sse-channel.js';
import { steadyLookup } from './remote/steady-lookup.js';
import { StreamableHttpChannel } from './remote/streamable-http-channel.js';
import type { RequestHandler } from './server-requests.js';
import { notificationEvents, Session } from './session.js';
import { STATELESS_VERSION } from './stateless/envelope.js';
import { StatelessSession } from './stateless/session.js';
import { type PackageStarts, type PackageTurn, stillInstalling } from './stdio/package-starts.js';
import type { Marker } from './stdio/process-family.js';
import { startChild } from './stdio/start-child.js';
import { StdioChannel } from './stdio/stdio-channel.js';

/** Larger messages are skipped; the session lives on. */
const MAX_MESSAGE_BYTES = 64 * 1_024 * 1_024;

export interface OpenSessionOptions {
  /** Ends the start; an open session is ended by `close()`. */
  readonly signal: AbortSignal;
  /** Environment variable by which the processes of this engine are known. Each session adds `/<random>` to the value. */
  readonly marker: Marker;
  /** Our own environment; a safe list of it reaches the server. */
  readonly baseEnv: Readonly<Record<string, string>>;
  readonly logger: Logger;
  readonly clientInfo: ClientInfo;
  /** Longest message that is accepted, bytes. Default 64 MiB. */
  readonly maxMessageBytes?: number;
  /** Working directory where the definition names none. */
  readonly cwd?: string;
  /** For remote servers. Default: the global one. */
  readonly fetch?: typeof fetch;
  /** Finds the addresses of remote servers. Default: the system's, held to what a name stood for in this session. */
  readonly lookup?: LookupFunction | undefined;
  /** Adds what a remote server wants to see of its user. */
  readonly authorize?: ((definition: RemoteDefinition, send: typeof fetch) => typeof fetch) | undefined;
  /** Directories that no sandboxed server sees. Default: none. */
  readonly hide?: readonly string[] | undefined;
  /** Where ids of containers are kept. Default: nowhere, and they are found by their label. */
  readonly containerDirectory?: string | undefined;
  /** Orders the starts of servers that are installed first. Default: none waits for another. */
  readonly packages?: PackageStarts | undefined;
  /** Client capabilities to declare. Default: none. */
  readonly capabilities?: Readonly<Record<string, unknown>>;
  /** Answers requests of the server (`ping` aside); throw `{code, message, data?}` for a JSON-RPC error. Default: they go to the client whose call it is. */
  readonly onRequest?: RequestHandler;
  /** How long a client may take for an answer, ms. Default 10 min. */
  readonly answerMs?: number | undefined;
  /** Takes out of what the server says what it must not repeat. */
  readonly conceal?: Concealer | undefined;
  /** The revision that a server of this definition spoke before, where that is remembered: it is tried first. */
  readonly prior?: string | undefined;
}

/**
 * Starts or reaches an upstream server and initialises the session, within the definition's `startTimeoutMs`. When it
 * rejects, nothing of it is left.
 * @throws RuntimeError SERVER_START_FAILED, SERVER_NEEDS_AUTH, or CANCELLED when `signal` aborts.
 */
export async function openSession(
  definition: ServerDefinition,
  options: OpenSessionOptions,
): Promise<UpstreamSession> {
  try {
    return await attempt(definition, options);
  } catch (error) {
    // The remembered way may have killed a server that speaks another one by now: that is no crash of its own.
    const remembered = options.prior === STATELESS_VERSION && !options.signal.aborted;
    if (!remembered || !(error instanceof RuntimeError) || error.code !== 'SERVER_START_FAILED') throw error;
    return attempt(definition, { ...options, prior: undefined });
  }
}

async function attempt(definition: ServerDefinition, options: OpenSessionOptions): Promise<UpstreamSession> {
  const { name, startTimeoutMs } = definition;
  const { signal, logger, maxMessageBytes = MAX_MESSAGE_BYTES } = options;
  if (signal.aborted) throw cancelled(name, 'initialize', signal.reason);
  const events = new Emitter<UpstreamEvent>((error) =>
    logger.error({ server: name, err: error }, 'a listener failed'),
  );
  using turn = await options.packages?.turn(definition, signal);
  using limit = deadline(startTimeoutMs, () => undefined);
  const started: RequestOptions = {
    signal: AbortSignal.any([signal, limit.signal]),
    timeoutMs: startTimeoutMs,
  };
  let end: SessionEnd | undefined;
  const peer = new Peer({
    server: name,
    logger,
    maxMessageBytes,
    onNotification: notificationEvents(events),
    onNoise: (lines) => events.emit({ type: 'noise', lines }),
    onDown: (reason) => {
      end = reason;
    },
    onRenew: async () => {
      const renewal = { signal: AbortSignal.timeout(startTimeoutMs), timeoutMs: startTimeoutMs };
      await handshake(peer, channel, shake, renewal);
      // The server may have been replaced meanwhile.
      events.emit({ type: 'tools-changed' });
    },
    onRequest:
      options.onRequest ?? ((method, params, owner) => askOwner(method, params, owner, options.answerMs)),
  });
  const shake = { server: name, clientInfo: options.clientInfo, capabilities: options.capabilities ?? {} };
  const { conceal } = options;
  const sink = conceal ? concealedSink(peer, conceal) : peer;
  const opened = await openChannel(definition, options, sink, maxMessageBytes);
  const channel = conceal ? concealedChannel(opened, conceal) : opened;
  peer.attach(channel);
  try {
    const identity = await greet(peer, channel, shake, started, options.prior);
    turn?.succeeded();
    if (identity.protocolVersion === STATELESS_VERSION) {
      const { clientInfo, answerMs } = options;
      return new StatelessSession({ server: name, identity, peer, channel, events, clientInfo, answerMs });
    }
    return new Session(identity, peer, channel, events);
  } catch (error) {
    const exited = end;
    const again = (later: AbortSignal) =>
      handshake(peer, channel, shake, { signal: later, timeoutMs: Number.POSITIVE_INFINITY });
    if (limit.signal.aborted && !signal.aborted && (await goesOn(turn, channel, again)))
      throw stillInstalling(definition);
    const closed = await channel.close('hasty');
    if (signal.aborted) throw cancelled(name, 'initialize', signal.reason);
    throw startFailed(definition, error, exited ?? closed, limit.signal.aborted);
  }
}

/** Leaves a launcher that is at its installation to it. */
async function goesOn(
  turn: PackageTurn | undefined,
  channel: MessageChannel,
  again: (signal: AbortSignal) => Promise<unknown>,
): Promise<boolean> {
  if (!turn || channel.pid === undefined || !(await turn.isInstalling(channel.pid))) return false;
  turn.finishLater(channel.pid, again, () => channel.close('hasty'));
  return true;
}

async function openChannel(
  definition: ServerDefinition,
  options: OpenSessionOptions,
  sink: ChannelSink,
  maxMessageBytes: number,
): Promise<MessageChannel> {
  const { logger, marker, baseEnv, cwd, hide, containerDirectory } = options;
  if (definition.transport === 'stdio') {
    // Engines may mark all their servers alike; what ends with one session must be told from the others.
    const own = { name: marker.name, value: `${marker.value}/${randomBytes(6).toString('hex')}` };
    const child = await startChild(definition, { marker: own, baseEnv, cwd, hide, containerDirectory });
    return new StdioChannel(
      child,
      {
        server: definition.name,
        env: definition.env,
        maxMessageBytes,
        logger,
        limits: definition.limits,
      },
      sink,
    );
  }
  const endpoint = endpointOf(definition);
  // A fetch that was given brings its own connections.
  const lookup = endpoint.url.protocol === 'http:' ? (options.lookup ?? steadyLookup()) : options.lookup;
  const dispatcher = options.fetch ? undefined : await ownDispatcher(lookup);
  const send =
    options.fetch ??
    ((url, init) => fetch(url, { ...init, ...(dispatcher ? { dispatcher } : {}) } as RequestInit));
  const authorized = options.authorize?.(definition, send) ?? send;
  const http = {
    ...endpoint,
    server: definition.name,
    fetch: authorized,
    dispatcher,
    maxMessageBytes,
    logger,
  };
  return definition.transport === 'sse' ? new SseChannel(http, sink) : new StreamableHttpChannel(http, sink);
}

/** What a failed start is told as: what happened, and the last words of the server. */
function startFailed(
  definition: ServerDefinition,
  error: unknown,
  end: SessionEnd,
  timedOut: boolean,
): RuntimeError {
  const { name, startTimeoutMs } = definition;
  const known = error instanceof RuntimeError ? error : undefined;
  if (known?.code === 'SERVER_START_FAILED' || known?.code === 'SERVER_NEEDS_AUTH') return known;
  const mismatch = known && refusedVersion(name, known);
  if (mismatch) return mismatch;
  const words = end.stderr ? oneLine(lastLines(end.stderr, 600), 600) : '';
  const said = words === '' ? '' : ` It said last: ${words}`;
  const fail = (what: string, hint: string | undefined) =>
    new RuntimeError('SERVER_START_FAILED', `${what}${said}`, {
      hint,
      data: {
        ...known?.data,
        ...endFacts(name, end),
        phase: 'initialize',
        ...(known ? { cause: known.code } : {}),
      },
      cause: error,
    });
  if (timedOut || known?.code === 'TIMEOUT' || known?.code === 'CANCELLED') {
    return fail(
      `The server "${name}" did not answer initialize within ${seconds(startTimeoutMs)}.`,
      'If it only needs longer, raise its "timeout"; else run its command by hand and look.',
    );
  }
  if (end.reason !== 'closed') {
    return fail(
      `The server "${name}" ${end.message} before it answered initialize.`,
      'Read what it said last; a missing key or a wrong path is the usual cause.',
    );
  }
  if (known) return fail(known.message, known.hint ?? 'Check that its definition names an MCP server.');
  return fail(`The server "${name}" could not be initialised: ${String(error)}.`, undefined);
}

function seconds(ms: number): string {
  return ms < 1_000 ? `${ms} ms` : `${Math.round(ms / 100) / 10} s`;
}
