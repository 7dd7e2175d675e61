import { statSync } from 'node:fs';
import { RuntimeError } from '../core/errors.js';
import { sleep } from '../lib/abort.js';
import { type ConnectOptions, connectRuntime, type RemoteRuntime } from './client.js';
import { type EngineDescriptor, readDescriptor } from './engine-descriptor.js';
import type { EngineDirectory } from './engine-directory.js';
import { EngineStart, type SpawnedEngine } from './engine-start.js';
import type { LinkClient, LinkConnection, LinkListener } from './link.js';
import { linkTo } from './link-address.js';
import { compareVersions } from './version.js';
import { loadZeromq } from './zeromq-module.js';

export interface JoinOptions extends Omit<ConnectOptions, 'link' | 'reconnect'> {
  readonly directory: EngineDirectory;
  /** Starts an engine for this home. One that finds another running ends by itself, which is no failure here. */
  readonly spawnEngine: () => SpawnedEngine;
  /** One that is on its way already; it is ended here. */
  readonly begun?: EngineStart | undefined;
  /** Ms for an engine to be there. Default 30,000. */
  readonly startTimeoutMs?: number | undefined;
  /** ENGINE_LINK=socket: do not use ZeroMQ though the engine offers it. */
  readonly linkKind?: 'zeromq' | 'socket' | undefined;
  /** A busy engine of another version is joined all the same; this tells. */
  readonly onVersionDifference?: ((engine: string, own: string) => void) | undefined;
}

/**
 * Joins the engine of a home; starts one when there is none. Of many that come at once one starts it and all join
 * the same. Whether there is another engine is decided by the engines' lock, not here: starting by turns only saves
 * processes.
 * @throws RuntimeError ENGINE_UNAVAILABLE: none could be started or reached in time, with the reason.
 */
export async function joinOrStart(options: JoinOptions): Promise<RemoteRuntime> {
  return new Joiner(options).join();
}

/** Between two looks for an engine, ms. */
const POLL_MS = 25;
/** Between two glances at whether the engine that we have started says something new, ms; one takes some 30 µs. */
const GLANCE_MS = 3;

class Joiner {
  readonly #options: JoinOptions;
  readonly #timeoutMs: number;
  #begun: EngineStart | undefined;

  constructor(options: JoinOptions) {
    this.#options = options;
    this.#begun = options.begun;
    this.#timeoutMs = options.startTimeoutMs ?? 30_000;
  }

  async join(): Promise<RemoteRuntime> {
    const until = performance.now() + this.#timeoutMs;
    const link: LinkClient = (listener) => this.#connect(listener);
    for (;;) {
      const runtime = await connectRuntime({ ...this.#options, link, reconnect: async () => link }).catch(
        (error: unknown) => {
          // The engine left between being found and being asked; the next round finds or starts another.
          if (performance.now() < until && lostMeanwhile(error)) return undefined;
          throw error;
        },
      );
      if (runtime !== undefined && (await this.#suits(runtime))) return runtime;
      await runtime?.close();
      if (performance.now() > until) throw unavailable('The old engine did not make room for a new one.');
      await sleep(POLL_MS);
    }
  }

  /** An older engine makes room when nobody needs it; one that is needed goes on, and the difference is told. */
  async #suits({ engine, retire }: RemoteRuntime): Promise<boolean> {
    const { onVersionDifference, version } = this.#options;
    if (engine.draining) return false;
    if (engine.version === version) return true;
    if (compareVersions(engine.version, version) < 0 && (await retire())) return false;
    onVersionDifference?.(engine.version, version);
    return true;
  }

  /** A connection to an engine; one is started if need be. */
  async #connect(listener: LinkListener): Promise<LinkConnection> {
    const until = performance.now() + this.#timeoutMs;
    const { directory, spawnEngine } = this.#options;
    const start = this.#begun ?? new EngineStart(directory.startingPath, spawnEngine);
    this.#begun = undefined;
    try {
      for (;;) {
        const seen = stampOf(directory.descriptorPath);
        const found = await readDescriptor(directory);
        const connection = found === undefined ? undefined : await this.#answering(found, listener);
        if (connection !== undefined) return connection;
        if (start.problem !== undefined) throw unavailable(start.problem);
        if (performance.now() > until) throw unavailable(this.#nobody(found, start));
        await start.attempt();
        // Loading its native part takes a while, in which the engine starts.
        if (this.#options.linkKind !== 'socket') void loadZeromq();
        await this.#untilTold(start, seen);
      }
    } finally {
      await start.end();
    }
  }

  /** Until it is worth looking again: who has started the engine sees at once when it says something new. */
  async #untilTold({ isOurs }: EngineStart, seen: string): Promise<void> {
    const until = performance.now() + POLL_MS;
    do await sleep(isOurs ? GLANCE_MS : POLL_MS);
    while (performance.now() < until && stampOf(this.#options.directory.descriptorPath) === seen);
  }

  /** Why nobody was found: nobody came, or one is there that cannot be spoken to. */
  #nobody(found: EngineDescriptor | undefined, { foundOther }: EngineStart): string {
    if (!foundOther) return `No engine was there within ${this.#timeoutMs} ms.`;
    return found === undefined
      ? `Another engine keeps ${this.#options.directory.lockPath} locked, but does not say where it is reached.`
      : `The engine that runs (pid ${found.pid}, version ${found.version}) did not answer within ${this.#timeoutMs} ms.`;
  }

  async #answering(found: EngineDescriptor, listener: LinkListener): Promise<LinkConnection | undefined> {
    const wanted = this.#options.linkKind === 'socket' ? /^unix:/ : /^(ipc|unix):/;
    for (const address of found.addresses.filter((one) => wanted.test(one))) {
      try {
        return await linkTo(address, { timeoutMs: 2_000 })(listener);
      } catch {
        // Gone, or a link that cannot be used here: the next address.
      }
    }
    return undefined;
  }
}

/** Tells one version of a file from the next; each is a file of its own. */
function stampOf(path: string): string {
  const facts = statSync(path, { throwIfNoEntry: false });
  return facts === undefined ? '' : `${facts.ino} ${facts.mtimeMs}`;
}

const lostMeanwhile = (error: unknown) =>
  error instanceof RuntimeError &&
  ['lost', 'closed', 'draining', 'idle', 'silent'].includes(String(error.data?.['reason']));

const unavailable = (message: string) =>
  new RuntimeError('ENGINE_UNAVAILABLE', message, { hint: 'See mcp-runtime engine logs.' });
