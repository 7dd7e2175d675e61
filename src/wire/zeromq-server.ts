import { unlinkSync } from 'node:fs';
import type { Context, Router } from 'zeromq';
import { RuntimeError } from '../core/errors.js';
import type { Accept, LinkConnection, LinkEnd, LinkListener, LinkServer, Message } from './link.js';
import { LINK_LIMITS, type LinkLimits } from './link-limits.js';
import { pack, Unframer } from './socket-frames.js';
import { TickBatch } from './tick-batch.js';
import { notifyOfDisconnects, type Zeromq } from './zeromq-module.js';

/**
 * Messages queued per peer on either side. The protocol above keeps fewer than this unacknowledged, so that a
 * ROUTER, which would drop what is beyond, never gets there.
 */
export const HIGH_WATER_MARK = 1_024;

/** Time for what was sent before `close`, ms; a process never waits longer than this to exit. */
export const LINGER_MS = 1_000;

/** One empty part: "I am leaving", and in libzmq's notice of a lost peer the same. */
export const BYE = Buffer.alloc(0);

/** What a client's link sends first, so that a connection begins like that of a socket. */
export const GREETING = Buffer.from([1]);

const LOST: LinkEnd = { reason: 'lost', message: 'The peer ended the connection.' };

/** Peers whose later messages are not heard; the oldest is forgotten first. */
const MAX_CLOSED = 4_096;

export interface CurveServerOptions {
  readonly curveServer: true;
  readonly curveSecretKey: string;
  readonly zapDomain: string;
  readonly context: Context;
}

/**
 * From now on nobody finds the way in. Closing does not do that: libzmq leaves the file, and lets clients in until a thread of its
 * own has closed the listener. Unbinding neither: `unbindSync` binds once more (zeromq/zeromq.js#704), and during `unbind` nothing
 * can be sent.
 */
function freePath(address: string): void {
  if (!address.startsWith('ipc://')) return;
  try {
    unlinkSync(address.slice('ipc://'.length));
  } catch {
    // Gone already, or cleared together with its home; who is connected must hear of the end in any case.
  }
}

class Peer implements LinkConnection {
  readonly id: string;
  readonly listener: LinkListener;
  readonly #routingId: Buffer;
  readonly #router: ZeromqServer;
  readonly #unframer: Unframer;
  readonly #batch = new TickBatch((messages) =>
    this.#router.sendTo(this.id, this.#routingId, pack(messages)),
  );

  constructor(routingId: Buffer, router: ZeromqServer, accept: Accept, { maxPartBytes }: LinkLimits) {
    this.#unframer = new Unframer(maxPartBytes);
    this.id = routingId.toString('hex');
    this.#routingId = routingId;
    this.#router = router;
    this.listener = accept(this);
  }

  send(message: Message, isAlone = false): void {
    this.#batch.add(message, isAlone);
  }

  /** @returns why what came is garbage, or nothing. */
  hear(chunks: readonly Buffer[]): string | undefined {
    for (const chunk of chunks) {
      const problem = this.#unframer.push(chunk, this.#deliver);
      if (problem !== undefined) return problem;
    }
    return undefined;
  }

  readonly #deliver = (parts: Uint8Array[]) => {
    if (this.#router.has(this.id)) this.listener.message(parts);
  };

  close(): void {
    if (!this.#router.has(this.id)) return;
    this.#batch.flush();
    this.#router.sendTo(this.id, this.#routingId, [BYE]);
    this.#router.drop(this.id, { reason: 'closed', message: 'The connection was closed.' });
  }
}

class ZeromqServer implements LinkServer {
  readonly kind = 'zeromq';
  readonly address: string;
  readonly #router: Router;
  readonly #accept: Accept;
  readonly #limits: LinkLimits;
  readonly #peers = new Map<string, Peer>();
  readonly #closed = new Set<string>();
  #ending: Promise<void> | undefined;
  #loop: Promise<void>;

  constructor(router: Router, address: string, accept: Accept, limits: LinkLimits) {
    this.#router = router;
    this.address = address;
    this.#accept = accept;
    this.#limits = limits;
    this.#loop = this.#receive();
  }

  get connections(): number {
    return this.#peers.size;
  }

  has(id: string): boolean {
    return this.#peers.has(id);
  }

  /** With `sendTimeout: 0` libzmq decides within the call, so there is never more than one `send` at a time. */
  sendTo(id: string, routingId: Buffer, chunks: readonly Uint8Array[]): void {
    if (!this.#peers.has(id)) return;
    this.#router.send([routingId, ...chunks] as Buffer[]).catch((error: { code?: string }) => {
      if (error.code === 'EAGAIN') {
        const message = `The peer left ${HIGH_WATER_MARK} messages unread and was given up.`;
        return this.drop(id, { reason: 'slow', message });
      }
      // Gone, but what it said before stands in the queue, and libzmq's notice behind that.
      setTimeout(() => this.drop(id, LOST), LINGER_MS).unref();
    });
  }

  drop(id: string, end: LinkEnd): void {
    const peer = this.#peers.get(id);
    if (peer === undefined) return;
    this.#peers.delete(id);
    this.#forget(id);
    peer.listener.gone(end);
  }

  close(): Promise<void> {
    this.#ending ??= (async () => {
      freePath(this.address);
      for (const peer of [...this.#peers.values()]) peer.close();
      this.#router.linger = LINGER_MS;
      this.#router.close();
      await this.#loop;
    })();
    return this.#ending;
  }

  #forget(id: string): void {
    this.#closed.add(id);
    if (this.#closed.size <= MAX_CLOSED) return;
    const [oldest] = this.#closed;
    if (oldest !== undefined) this.#closed.delete(oldest);
  }

  async #receive(): Promise<void> {
    while (!this.#router.closed) {
      let parts: Buffer[];
      try {
        parts = await this.#router.receive();
      } catch {
        // Only closing ends a receive that has no time limit.
        return;
      }
      const routingId = parts.shift();
      if (routingId !== undefined) this.#hear(routingId, parts);
    }
  }

  #hear(routingId: Buffer, parts: Buffer[]): void {
    const id = routingId.toString('hex');
    if (parts.length === 1 && parts[0]?.length === 0) {
      this.drop(id, LOST);
      this.#closed.delete(id);
      return;
    }
    const known = this.#peers.get(id);
    if (known !== undefined) {
      this.#tell(known, parts);
      return;
    }
    if (this.#closed.has(id)) return;
    if (this.#peers.size >= this.#limits.maxConnections) {
      this.#forget(id);
      this.#router.send([routingId, BYE]).catch(() => {});
      return;
    }
    const peer = new Peer(routingId, this, this.#accept, this.#limits);
    this.#peers.set(id, peer);
    const greeting = parts.length === 1 && parts[0]?.equals(GREETING) === true;
    if (!greeting) this.#tell(peer, parts);
  }

  #tell(peer: Peer, chunks: readonly Buffer[]): void {
    const problem = peer.hear(chunks);
    if (problem !== undefined)
      this.drop(peer.id, { reason: 'garbage', message: `The peer was refused: ${problem}.` });
  }
}

/**
 * Binds a ROUTER. The caller holds the lock of the place: a second bind would take the path from a living server
 * without an error. Peers do not choose their routing ids; the ROUTER numbers them, so none can take another's.
 */
export async function listenZeromq(
  zeromq: Zeromq,
  endpoint: string,
  accept: Accept,
  options: { limits?: LinkLimits; curve?: CurveServerOptions } = {},
): Promise<LinkServer> {
  const limits = options.limits ?? LINK_LIMITS;
  const router = new zeromq.Router({
    linger: 0,
    mandatory: true,
    sendTimeout: 0,
    sendHighWaterMark: HIGH_WATER_MARK,
    receiveHighWaterMark: HIGH_WATER_MARK,
    maxMessageSize: limits.maxPartBytes,
    ...options.curve,
  });
  notifyOfDisconnects(router);
  try {
    await router.bind(endpoint);
  } catch (error) {
    router.close();
    throw new RuntimeError('HOME_UNUSABLE', `The engine cannot listen on ${endpoint}: ${String(error)}.`, {
      hint: endpoint.startsWith('tcp:') ? 'Choose another port.' : undefined,
      cause: error,
    });
  }
  return new ZeromqServer(router, router.lastEndpoint ?? endpoint, accept, limits);
}
