import { RuntimeError } from '../core/errors.js';
import { sleep } from '../lib/abort.js';
import { type Logger, silentLogger } from '../lib/log.js';
import type { RuntimePort } from '../operations/table.js';
import type { ChannelLimits } from './limits.js';
import type { Accept, LinkServer } from './link.js';
import { ServerSession, type SessionHost } from './server-session.js';

export type FrontEndFacts = ReturnType<ServerSession['facts']>;

export interface ServeOptions {
  readonly port: RuntimePort;
  /** Where front-ends come in; all of them are served alike. */
  readonly listen: readonly ((accept: Accept) => Promise<LinkServer>)[];
  /** Of the package. */
  readonly version: string;
  readonly pid: number;
  /** Whether replacing the engine now would lose something. Default: other front-ends or calls are there. */
  readonly busy?: (() => boolean) | undefined;
  /** Called whenever a front-end came or left, with how many are there. */
  readonly onFrontEnds?: ((count: number) => void) | undefined;
  /** A newer front-end asks an engine that is not busy to make room; what is called must close the server. */
  readonly onRetire?: (() => void) | undefined;
  /** Calls of one front-end at once. Default 50,000. */
  readonly maxCalls?: number | undefined;
  readonly limits?: Partial<ChannelLimits> | undefined;
  readonly logger?: Logger | undefined;
  /** Ms of a monotonic clock. */
  readonly now?: (() => number) | undefined;
}

export interface RuntimeServer {
  readonly links: readonly LinkServer[];
  clients(): FrontEndFacts[];
  /** Refuses new calls, waits at most `graceMs` for the running ones to be answered, then closes. */
  drain(graceMs: number): Promise<void>;
  /** Withdraws what runs, says goodbye, frees the addresses. Idempotent. */
  close(reason?: 'closed' | 'idle'): Promise<void>;
}

/** Offers a runtime to front-ends over links. What a front-end began ends when it is gone. */
export async function serveRuntime(options: ServeOptions): Promise<RuntimeServer> {
  const logger = options.logger ?? silentLogger;
  const sessions = new Set<ServerSession>();
  let draining = false;
  let settled: () => void = () => {};
  const host: SessionHost = {
    port: options.port,
    version: options.version,
    pid: options.pid,
    now: options.now ?? (() => performance.now()),
    limits: options.limits,
    maxCalls: options.maxCalls ?? 50_000,
    get draining() {
      return draining;
    },
    busy: (asking) =>
      options.busy?.() ?? [...sessions].some((session) => session !== asking && session.greeted),
    retire: () => {
      if (options.onRetire === undefined) return false;
      draining = true;
      // The answer leaves first.
      setImmediate(options.onRetire);
      return true;
    },
    ended: (session, end) => {
      sessions.delete(session);
      if (end.reason !== 'closed') logger.info({ reason: end.reason, ...session.facts() }, end.message);
      options.onFrontEnds?.(sessions.size);
      settled();
    },
    settled: () => settled(),
  };
  const links: LinkServer[] = [];
  const accept: Accept = (connection) => {
    const session = new ServerSession(host, connection);
    sessions.add(session);
    options.onFrontEnds?.(sessions.size);
    return session.channel;
  };
  try {
    for (const listen of options.listen) links.push(await listen(accept));
  } catch (error) {
    await Promise.all(links.map((link) => link.close()));
    throw error;
  }

  const pending = () => [...sessions].some((session) => session.calls > 0 || session.channel.congested);
  let closing: Promise<void> | undefined;
  const close = (reason: 'closed' | 'idle' | 'draining', message: string) => {
    closing ??= (async () => {
      draining = true;
      for (const session of [...sessions]) session.end(reason, message);
      await Promise.all(links.map((link) => link.close()));
    })();
    return closing;
  };
  return {
    links,
    clients: () => [...sessions].filter((session) => session.greeted).map((session) => session.facts()),
    drain: async (graceMs) => {
      draining = true;
      const giveUp = new AbortController();
      const timer = setTimeout(
        () => giveUp.abort(new RuntimeError('ENGINE_DRAINING', 'The time to drain is over.')),
        graceMs,
      );
      // An answer that waits for its reader settles nothing, so the wait also looks by itself.
      while (pending() && !giveUp.signal.aborted) {
        await Promise.race([
          new Promise<void>((resolve) => {
            settled = resolve;
          }),
          sleep(20, { signal: giveUp.signal }).catch(() => {}),
        ]);
      }
      clearTimeout(timer);
      settled = () => {};
      await close('draining', 'The engine is stopping.');
    },
    close: (reason = 'closed') =>
      close(reason, reason === 'idle' ? 'The engine was not used and stopped.' : 'The engine stopped.'),
  };
}
