import { RuntimeError } from '../core/errors.js';
import type { KnownServer, ServerState } from '../core/server.js';
import type { ClosePace, SessionEnd, UpstreamSession } from '../core/upstream.js';
import { sleep, untilAborted } from '../lib/abort.js';
import type { Logger } from '../lib/log.js';
import type { Outage } from './outage.js';
import { Places } from './places.js';
import {
  backingOff,
  describeEnd,
  type Failure,
  failed,
  isNoRoom,
  needsAuth,
  problemOf,
  stopped,
} from './problems.js';
import { Recovery } from './recovery.js';
import { breakerRules, remoteRules, restartRules } from './restart.js';
import { Lease, type ManagedServerHooks, type StopOptions } from './server-hooks.js';
import { watched } from './watched-session.js';

/** How long a stop lets running calls finish, ms. */
const DRAIN_MS = 2_000;

/**
 * The life of one upstream server. There is never more than one process of it: a start is shared by all who wait
 * for it and belongs to none of them, so a caller that leaves takes nothing away from the others.
 */
export class ManagedServer {
  readonly definition: KnownServer;
  readonly #hooks: ManagedServerHooks;
  readonly #logger: Logger;
  readonly #places: Places;
  readonly #recovery: Recovery;
  #state: ServerState = { status: 'stopped' };
  #session: UpstreamSession | undefined;
  /** Of a remote server that is ready. */
  #outage: Outage | undefined;
  #starting: Promise<UpstreamSession> | undefined;
  #startScope: AbortController | undefined;
  #stopping: Promise<void> | undefined;
  #drained: (() => void) | undefined;
  /** The session that a stop is ending, and how fast. */
  #closing: UpstreamSession | undefined;
  #pace: ClosePace | undefined;
  #retired = false;
  #stops = 0;
  calls = 0;
  /** Whether anyone wanted it to run, rather than only to learn its tools. Until it is stopped. */
  wanted = false;

  constructor(definition: KnownServer, hooks: ManagedServerHooks, logger: Logger) {
    this.definition = definition;
    this.#hooks = hooks;
    this.#logger = logger;
    this.#places = new Places(definition.maxConcurrency, definition.idleTimeoutMs, {
      free: () => this.#drained?.(),
      idle: () => {
        if (this.#state.status === 'ready') void this.stop();
      },
    });
    const isRemote = definition.transport === 'streamable-http' || definition.transport === 'sse';
    this.#recovery = new Recovery(definition.restart, isRemote ? remoteRules : restartRules, () => {
      // What goes wrong is in the state.
      void this.ensure(new AbortController().signal).catch(() => {});
    });
  }

  get state(): ServerState {
    const state = this.#state;
    if (state.status !== 'ready') return state;
    // Nobody can use it any more, though what it started may still be ending.
    if (this.#session?.isOpen === false) return { status: 'draining', since: state.since };
    return this.#outage?.state ?? state;
  }

  /** Ready, and nobody uses it: it may be stopped without harm. */
  get idle(): boolean {
    return this.#state.status === 'ready' && this.#session?.isOpen !== false && this.inFlight === 0;
  }

  get inFlight(): number {
    return this.#places.inUse;
  }

  /** Ms since the epoch of the last use; the least recently used idle server is stopped first. */
  get lastUsedAt(): number {
    return this.#places.lastUsedAt;
  }

  get pid(): number | undefined {
    return this.#session?.pid;
  }

  /** Whether a process of it exists or is coming into being. */
  get running(): boolean {
    return ['starting', 'ready', 'draining'].includes(this.#state.status);
  }

  /**
   * Starts it if needed and waits until it is ready. The signal ends the waiting alone.
   * @param asked an explicit wish of a person or model: tries again what had failed or was waiting.
   */
  async ensure(signal: AbortSignal, asked = false): Promise<UpstreamSession> {
    const stops = this.#stops;
    for (;;) {
      signal.throwIfAborted();
      // Who waited for it when it was told to stop does not bring it back; who comes later may.
      if (this.#stops !== stops) throw stopped(this.definition.name);
      if (this.#retired)
        throw new RuntimeError('SERVER_NOT_FOUND', `The server "${this.definition.name}" was removed.`);
      const state = this.#state;
      switch (state.status) {
        case 'ready':
          if (this.#session?.isOpen) {
            if (asked) await this.#outage?.tryNow(signal);
            this.#outage?.refuse();
            return this.#session;
          }
          if (!this.#session) break;
          // It is gone for us, but what it started is still ending: the next one must not meet it.
          await untilAborted(this.#session.ended, signal);
          continue;
        case 'draining':
          await untilAborted(this.#stopping ?? Promise.resolve(), signal);
          continue;
        case 'backing-off': {
          const wait = state.until - Date.now();
          if (asked) break;
          if (wait > breakerRules.patienceMs)
            throw backingOff(this.definition.name, state.until, state.problem);
          await sleep(Math.max(wait, 0), { signal });
          if (this.#state === state) this.#set({ status: 'stopped', lastProblem: state.problem });
          continue;
        }
        case 'failed':
          if (!asked) throw failed(this.definition.name, state.problem);
          this.#recovery.forget();
          break;
        case 'needs-auth':
          // Who was given the right meanwhile is let in without asking twice.
          if (!asked && Date.now() - state.problem.at < breakerRules.authAgainMs)
            throw needsAuth(this.definition.name, state.problem);
          break;
        default:
          break;
      }
      return untilAborted(this.#start(), signal);
    }
  }

  /**
   * A place among those who use it at once; waits its turn. Resolves with a lease on the session as it is then.
   * @param client whose turn it is: clients take turns, however much one of them asks.
   */
  async lease(signal: AbortSignal, client = ''): Promise<Lease> {
    await this.ensure(signal);
    const place = await this.#places.take(signal, client);
    try {
      // It may have ended while this caller waited for its turn.
      return new Lease(await this.ensure(signal), place);
    } catch (error) {
      place[Symbol.dispose]();
      throw error;
    }
  }

  /** The same where nothing has to be waited for, as with almost every call; else nothing. */
  leaseNow(signal: AbortSignal): Lease | undefined {
    const session = this.#session;
    if (this.#state.status !== 'ready' || !session?.isOpen || this.#retired || signal.aborted)
      return undefined;
    this.#outage?.refuse();
    const place = this.#places.takeNow();
    return place && new Lease(session, place);
  }

  /**
   * Stops it and everything it started; calls that run may finish first. Idempotent; resolves when nothing of it
   * is left. A stop that is under way is hurried by one that leaves less time.
   */
  stop(options: StopOptions = {}): Promise<void> {
    if (options.forGood) this.#retired = true;
    this.#stops += 1;
    this.#places.close();
    this.#recovery.pause();
    if (!this.running) {
      this.#recovery.forget();
      if (this.#state.status !== 'stopped') this.#set({ status: 'stopped' });
      return Promise.resolve();
    }
    if (this.#stopping) {
      if (options.drainMs === 0) this.#drained?.();
      if (options.pace) void this.#closing?.close(options.pace);
      this.#pace = options.pace ?? this.#pace;
      return this.#stopping;
    }
    this.#pace = options.pace;
    this.#stopping = this.#stop(options.drainMs ?? DRAIN_MS).finally(() => {
      this.#stopping = undefined;
      this.#closing = undefined;
    });
    return this.#stopping;
  }

  /** Nobody is there for whom it should come back by itself. */
  rest(): void {
    this.wanted = false;
    this.#recovery.pause();
  }

  async #stop(drainMs: number): Promise<void> {
    const wasStarting = this.#starting;
    this.#set({ status: 'draining', since: Date.now() });
    this.#startScope?.abort(stopped(this.definition.name));
    if (this.inFlight > 0 && drainMs > 0) {
      const drained = new Promise<void>((resolve) => {
        this.#drained = resolve;
      });
      await Promise.race([drained, sleep(drainMs, { unref: true })]);
      this.#drained = undefined;
    }
    await wasStarting?.catch(() => {});
    const session = this.#session;
    this.#session = undefined;
    this.#closing = session;
    await session?.close(this.#pace);
    this.#recovery.forget();
    this.wanted = false;
    this.#set({ status: 'stopped' });
  }

  #start(): Promise<UpstreamSession> {
    this.#starting ??= this.#open().finally(() => {
      this.#starting = undefined;
      this.#startScope = undefined;
    });
    return this.#starting;
  }

  async #open(): Promise<UpstreamSession> {
    this.#recovery.pause();
    const scope = new AbortController();
    this.#startScope = scope;
    this.#set({ status: 'starting', since: Date.now() });
    try {
      await this.#hooks.admit();
      const opened = await this.#hooks.open(this.definition, scope.signal);
      const { session, outage } = watched(opened, this.definition, () => {
        if (this.#session === session) this.#hooks.onState(this.state);
      });
      if (scope.signal.aborted) {
        await session.close();
        throw scope.signal.reason;
      }
      const readyAt = Date.now();
      this.#session = session;
      this.#outage = outage;
      this.#set({ status: 'ready', since: readyAt, pid: session.pid });
      void session.ended.then((end) => this.#onEnded(session, end, readyAt));
      this.#hooks.onReady(session);
      this.#places.open();
      return session;
    } catch (error) {
      // That there was no room says nothing about this server.
      if (isNoRoom(error)) this.#set({ status: 'stopped' });
      else if (!scope.signal.aborted) this.#fail(problemOf(error), 0);
      throw error;
    }
  }

  #onEnded(session: UpstreamSession, end: SessionEnd, readyAt: number): void {
    if (this.#session !== session) return;
    this.#session = undefined;
    this.#places.close();
    // A stop that is under way sets the state itself.
    if (this.#stopping) return;
    this.#logger.warn(
      { server: this.definition.name, exitCode: end.exitCode, signal: end.exitSignal },
      end.message,
    );
    this.#fail({ problem: describeEnd(end), final: false }, Date.now() - readyAt);
  }

  #fail(why: Failure, upMs: number): void {
    this.#set(this.#recovery.next(why, upMs, this.wanted && !this.#retired));
  }

  #set(state: ServerState): void {
    this.#state = state;
    this.#hooks.onState(state);
  }
}
