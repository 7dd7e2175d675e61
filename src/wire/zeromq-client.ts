import { randomUUID } from 'node:crypto';
import type { Dealer } from 'zeromq';
import { RuntimeError } from '../core/errors.js';
import type { LinkConnection, LinkEnd, LinkListener, Message } from './link.js';
import { LINK_LIMITS, type LinkLimits } from './link-limits.js';
import { pack, Unframer } from './socket-frames.js';
import { TickBatch } from './tick-batch.js';
import type { Zeromq } from './zeromq-module.js';
import { BYE, GREETING, HIGH_WATER_MARK, LINGER_MS } from './zeromq-server.js';

export interface CurveClientOptions {
  readonly curveServerKey: string;
  readonly curvePublicKey: string;
  readonly curveSecretKey: string;
}

export interface ZeromqClientOptions {
  readonly limits?: LinkLimits | undefined;
  readonly curve?: CurveClientOptions | undefined;
  /** Ms until somebody must have answered. Default 5,000. */
  readonly timeoutMs?: number | undefined;
}

/** An hour: the socket of a lost connection is closed within milliseconds. */
const NEVER_MS = 3_600_000;

const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

class DealerConnection implements LinkConnection {
  readonly id = randomUUID();
  readonly #dealer: Dealer;
  readonly #listener: LinkListener;
  readonly #unframer: Unframer;
  readonly #batch = new TickBatch((messages) => this.#write(messages));
  #received = 0;
  #ended = false;

  constructor(dealer: Dealer, listener: LinkListener, { maxPartBytes }: LinkLimits) {
    this.#dealer = dealer;
    this.#listener = listener;
    this.#unframer = new Unframer(maxPartBytes);
    void this.#receive();
  }

  send(message: Message, isAlone = false): void {
    if (!this.#ended) this.#batch.add(message, isAlone);
  }

  #write(messages: readonly Message[]): void {
    if (this.#ended) return;
    this.#dealer.send(pack(messages) as Buffer[]).catch((error: { code?: string }) =>
      // Full or unconnected: libzmq does not say which.
      this.lost(`The engine does not take messages (${error.code ?? String(error)}).`),
    );
  }

  close(): void {
    if (this.#ended) return;
    this.#batch.flush();
    this.#dealer.send(BYE).catch(() => {});
    this.#finish({ reason: 'closed', message: 'The connection was closed.' }, LINGER_MS);
  }

  /** The connection broke. What came before is in the queue of the socket and is read first. */
  async lost(why: string): Promise<void> {
    let seen: number;
    do {
      seen = this.#received;
      for (let turn = 0; turn < 3; turn += 1) await nextTurn();
    } while (seen !== this.#received && !this.#ended);
    this.#finish({ reason: 'lost', message: why }, 0);
  }

  #finish(end: LinkEnd, linger: number): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#dealer.linger = linger;
    this.#dealer.close();
    this.#listener.gone(end);
  }

  async #receive(): Promise<void> {
    while (!this.#ended) {
      let parts: Buffer[];
      try {
        parts = await this.#dealer.receive();
      } catch {
        return;
      }
      this.#received += 1;
      if (this.#ended) return;
      if (parts.length === 1 && parts[0]?.length === 0)
        this.#finish({ reason: 'lost', message: 'The engine ended the connection.' }, 0);
      else this.#hear(parts);
    }
  }

  readonly #deliver = (parts: Uint8Array[]) => {
    if (!this.#ended) this.#listener.message(parts);
  };

  #hear(chunks: readonly Buffer[]): void {
    for (const chunk of chunks) {
      const problem = this.#unframer.push(chunk, this.#deliver);
      if (problem === undefined) continue;
      this.#finish({ reason: 'garbage', message: `The engine was refused: ${problem}.` }, 0);
      return;
    }
  }
}

/**
 * Connects a DEALER, once: a connection that silently became another would deliver old messages to a new engine.
 * The monitor of the socket tells when it is lost; then the socket is closed and nothing waits in it.
 * @throws RuntimeError ENGINE_UNAVAILABLE when nobody answers in time.
 */
export async function connectZeromq(
  zeromq: Zeromq,
  endpoint: string,
  listener: LinkListener,
  options: ZeromqClientOptions = {},
): Promise<LinkConnection> {
  const timeoutMs = options.timeoutMs ?? 5_000;
  const dealer = new zeromq.Dealer({
    linger: 0,
    // With `immediate: true`, or reconnecting switched off, libzmq throws away what came before a disconnect and was
    // not read yet (500 of 500 messages in a trial). So neither is set, and the socket is closed long before.
    reconnectInterval: NEVER_MS,
    sendTimeout: 0,
    sendHighWaterMark: HIGH_WATER_MARK,
    receiveHighWaterMark: HIGH_WATER_MARK,
    maxMessageSize: (options.limits ?? LINK_LIMITS).maxPartBytes,
    ...options.curve,
  });
  let connection: DealerConnection | undefined;
  let broken = false;
  let refused: (why: string) => void = () => {};
  let connected: () => void = () => {};
  const settled = new Promise<void>((resolve, reject) => {
    connected = resolve;
    refused = (why) =>
      reject(new RuntimeError('ENGINE_UNAVAILABLE', `No engine answers at ${endpoint}: ${why}.`));
  });
  const watch = async () => {
    const { events } = dealer;
    for (;;) {
      const event = await events.receive();
      if (event.type === 'end') return;
      if (event.type === 'handshake') connected();
      else if (event.type.startsWith('handshake:error')) refused('the keys do not fit');
      else if (event.type === 'disconnect' || event.type === 'close') {
        broken = true;
        refused('the connection was refused');
        await connection?.lost('The connection to the engine broke.');
      }
    }
  };
  watch().catch(() => {});
  const timer = setTimeout(() => refused(`it took longer than ${timeoutMs} ms`), timeoutMs);
  try {
    dealer.connect(endpoint);
    await settled;
    await dealer.send(GREETING);
    connection = new DealerConnection(dealer, listener, options.limits ?? LINK_LIMITS);
    if (broken) void connection.lost('The connection to the engine broke.');
    return connection;
  } catch (error) {
    dealer.close();
    throw error instanceof RuntimeError
      ? error
      : new RuntimeError('ENGINE_UNAVAILABLE', `No engine answers at ${endpoint}: ${String(error)}.`, {
          cause: error,
        });
  } finally {
    clearTimeout(timer);
  }
}
