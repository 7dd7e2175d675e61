import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { RuntimeError } from '../core/errors.js';
import type { Logger } from '../lib/log.js';
import type { RuntimePort } from '../operations/table.js';
import { curveServer, requireKeys, type ServerKey } from './curve.js';
import { keepDescriptor, removeDescriptor, writeDescriptor } from './engine-descriptor.js';
import type { EngineDirectory } from './engine-directory.js';
import { acquireEngineLock } from './engine-lock.js';
import { PROTOCOL_VERSION } from './frames.js';
import type { ChannelLimits } from './limits.js';
import type { Accept, LinkServer } from './link.js';
import { type RuntimeServer, serveRuntime } from './server.js';
import { listenSocket } from './socket-link.js';
import { loadZeromq } from './zeromq-module.js';
import { listenZeromq } from './zeromq-server.js';

export interface HostOptions {
  readonly directory: EngineDirectory;
  /**
   * Makes the runtime once the place is ours: before that it must not touch what another engine owns. It is told how the
   * engine before ended: one that was killed may have left processes behind.
   */
  readonly open: (before: 'killed' | 'in order') => Promise<RuntimePort>;
  /** Ends what `open` made, or began to make: once nobody is served any more, and before the place is another's. */
  readonly close?: (() => Promise<void>) | undefined;
  readonly version: string;
  readonly pid: number;
  /** ENGINE_LINK. Default `zeromq`, which brings the socket along for those who cannot load it. */
  readonly link?: 'zeromq' | 'socket' | undefined;
  /** To be reached from other machines as well: `tcp://<address>:<port>`. */
  readonly tcp?: { readonly endpoint: string; readonly key: ServerKey } | undefined;
  readonly busy?: (() => boolean) | undefined;
  readonly onFrontEnds?: ((count: number) => void) | undefined;
  /** A newer front-end asks an idle engine to make room. */
  readonly onRetire?: (() => void) | undefined;
  readonly limits?: Partial<ChannelLimits> | undefined;
  readonly logger?: Logger | undefined;
}

export interface HostedEngine {
  readonly server: RuntimeServer;
  readonly addresses: readonly string[];
  /** As `close`, but running calls get `graceMs` to be answered. */
  drain(graceMs: number): Promise<void>;
  /** Ends the engine; the place is free only when nothing of it is left. Once: a later one waits for the first. */
  close(reason?: 'closed' | 'idle'): Promise<void>;
}

/**
 * Takes the lock, makes the runtime, listens, then says where: in this order, so that there is never a second engine
 * and nobody is sent to a place that does not answer. It ends in the reverse order: who lets the next engine in while
 * servers still end would have two processes of one server, and take away the address of its successor.
 * @throws RuntimeError ENGINE_UNAVAILABLE (`data.reason` "running") when there is an engine already.
 */
export async function hostEngine(options: HostOptions): Promise<HostedEngine> {
  const { directory, version, pid, tcp } = options;
  if (tcp !== undefined) requireKeys(tcp.endpoint, tcp.key);
  const lock = await acquireEngineLock(directory);
  const facts = { pid, version, protocol: PROTOCOL_VERSION, startedAt: Date.now() };
  const failures: unknown[] = [];
  let isReplaced = false;
  const undo: (() => void | Promise<void>)[] = [
    () => lock.release(),
    // Stays where something could not be ended, or it is the successor's.
    () => (failures.length === 0 && !isReplaced ? rm(directory.runningPath, { force: true }) : undefined),
    () => removeDescriptor(directory, facts),
  ];
  const unwind = async () => {
    // Whatever fails on the way, the place is given away at its end.
    for (const step of undo.splice(0).reverse()) {
      try {
        await step();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  };
  try {
    // A version that does not know the first may have left the second.
    const isLeft = existsSync(directory.runningPath) || existsSync(directory.descriptorPath);
    const before = isLeft ? 'killed' : 'in order';
    await writeFile(directory.runningPath, '', { mode: 0o600 });
    await directory.sweep();
    await writeDescriptor(directory, { ...facts, addresses: [] });
    undo.push(async () => options.close?.());
    const port = await options.open(before);
    const { listen, close } = await ways(options);
    undo.push(close);
    const server = await serveRuntime({ ...options, port, listen });
    undo.push(() => server.close());
    const addresses = server.links.map((link) => link.address);
    // Its home was cleared while it ran, and there is a successor: nobody will be sent here any more.
    const makeRoom = () => {
      isReplaced = true;
      if (options.busy?.() !== true) options.onRetire?.();
    };
    const kept = await keepDescriptor(directory, { ...facts, addresses }, makeRoom);
    undo.push(() => kept.stop());
    let ending: Promise<void> | undefined;
    const end = (stop: () => Promise<void>) => {
      ending ??= (async () => {
        // What fails is heard of when the server is closed below.
        const stopped = stop().catch(() => {});
        // Nobody is sent here any more, while those who are here are answered.
        await kept.stop();
        await removeDescriptor(directory, facts);
        await stopped;
        await unwind();
      })();
      return ending;
    };
    return {
      server,
      addresses,
      drain: (graceMs) => end(() => server.drain(graceMs)),
      close: (reason) => end(() => server.close(reason)),
    };
  } catch (error) {
    await unwind().catch(() => {});
    throw error;
  }
}

async function ways(options: HostOptions) {
  const { directory, tcp, link = 'zeromq' } = options;
  const listen: ((accept: Accept) => Promise<LinkServer>)[] = [];
  const zeromq = link === 'zeromq' || tcp !== undefined ? await loadZeromq() : undefined;
  let close = () => {};
  if (zeromq !== undefined && link === 'zeromq')
    listen.push((accept) => listenZeromq(zeromq, `ipc://${directory.socketPath('zeromq')}`, accept));
  listen.push((accept) => listenSocket(directory.socketPath('socket'), accept));
  if (tcp !== undefined) {
    if (zeromq === undefined)
      throw new RuntimeError('CONFIG_INVALID', 'tcp needs zeromq, which cannot be loaded here.');
    const keys = await curveServer(zeromq, tcp.key);
    close = keys.close;
    listen.push((accept) => listenZeromq(zeromq, tcp.endpoint, accept, { curve: keys.curve }));
  }
  return { listen, close };
}
