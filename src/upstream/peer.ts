import type { RuntimeError } from '../core/errors.js';
import type { Payload } from '../core/payload.js';
import type { RequestOptions, SessionEnd } from '../core/upstream.js';
import { Alarm } from '../lib/alarm.js';
import { Crowd } from '../lib/crowd.js';
import type { LongLine } from '../lib/line-splitter.js';
import type { Logger } from '../lib/log.js';
import { type Bytes, lengthOf, oneOf } from '../lib/pieces.js';
import { oneLine } from '../lib/printable.js';
import type { ChannelSink, Delivery, MessageChannel, Outgoing } from './channel.js';
import { died, notJson, protocolBroken, tooLarge, upstreamError } from './errors.js';
import { type Incoming, idOfLongLine, MAX_DEPTH } from './message.js';
import { MessageReader } from './message-reader.js';
import { type Owner, ownerOf, pauseFor } from './owner.js';
import { cancelled, type Outcome, PendingRequest, type WaitingRoom } from './pending.js';
import { requestText, withMeta } from './request-meta.js';
import { answerRequest, type RequestHandler, type ServerRequest } from './server-requests.js';

/** Answers to requests of the server that may wait to be taken; a server that floods and does not read loses the rest. */
const MAX_WAITING_RESPONSES = 2_048;
const NOISE_GAP_MS = 60_000;

export interface PeerOptions {
  readonly server: string;
  readonly logger: Logger;
  readonly maxMessageBytes: number;
  readonly onNotification: (method: string, params: unknown, owner: Owner) => void;
  readonly onNoise: (lines: number) => void;
  /** Called at most once. */
  readonly onDown: (end: SessionEnd) => void;
  readonly onRenew: () => Promise<void>;
  /** Requests of the server, `ping` aside. Without it they are refused at once: silence would hang the server's call. */
  readonly onRequest?: RequestHandler | undefined;
}

export interface PeerRequestOptions {
  /** Deepest nesting of the result. Default 1,000. */
  readonly maxDepth?: number;
  /** Said besides the body where the transport has headers. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

export interface PeerCounts {
  /** Answers to nothing that was asked: unknown, late or repeated ids. */
  readonly strayAnswers: number;
  readonly noise: number;
  readonly droppedRequests: number;
}

/**
 * JSON-RPC over a channel: mints ids and never uses one twice, matches answers by exact type and value, ends each
 * request exactly once, and stays whole whatever the other side sends.
 */
export class Peer implements ChannelSink, WaitingRoom {
  readonly #options: PeerOptions;
  readonly #pending = new Map<unknown, PendingRequest>();
  readonly #crowd = new Crowd();
  #channel: MessageChannel | undefined;
  /** One for all requests: a timer for each costs more than the rest of its bookkeeping. */
  readonly #alarm = new Alarm(
    () => performance.now(),
    () => this.#lookAtAll(),
  );
  readonly #reader = new MessageReader();
  #nextId = 1;
  #end: SessionEnd | undefined;
  #waitingResponses = 0;
  #strayAnswers = 0;
  #noise = 0;
  #noiseTold = 0;
  #noiseToldAt = Number.NEGATIVE_INFINITY;
  #droppedRequests = 0;

  constructor(options: PeerOptions) {
    this.#options = options;
  }

  get counts(): PeerCounts {
    return { strayAnswers: this.#strayAnswers, noise: this.#noise, droppedRequests: this.#droppedRequests };
  }

  /** Whether answers can still come. */
  get isOpen(): boolean {
    return this.#end === undefined;
  }

  /** The channel needs the peer as its sink, so it comes second. */
  attach(channel: MessageChannel): void {
    this.#channel = channel;
  }

  /**
   * Sends a request and waits for its result. Rejects with a RuntimeError: CANCELLED, TIMEOUT, SERVER_DIED,
   * UPSTREAM_ERROR, UPSTREAM_PROTOCOL, RESULT_TOO_LARGE or what the channel says.
   */
  request(
    method: string,
    params: Readonly<Record<string, unknown>> | undefined,
    options: RequestOptions,
    { maxDepth = MAX_DEPTH, headers }: PeerRequestOptions = {},
  ): Promise<Payload> {
    const { server } = this.#options;
    const channel = this.#channel;
    if (this.#end || !channel) return Promise.reject(died(server, method, this.#end));
    if (options.signal.aborted) return Promise.reject(cancelled(server, method, options.signal.reason));
    const id = this.#nextId;
    this.#nextId += 1;
    let json: string;
    try {
      json = requestText(id, method, withMeta(params, options, id));
    } catch (cause) {
      return Promise.reject(notJson(server, method, cause));
    }
    const pending = new PendingRequest({ id, server, method, maxDepth, options }, this);
    this.#pending.set(id, pending);
    this.#crowd.enter(this.#pending.size);
    const expiresAt = performance.now() + options.timeoutMs;
    channel
      .send({ kind: 'request', id, method, json, expiresAt, headers, isAlone: this.#crowd.isOne })
      .catch((error: RuntimeError) => pending.fail(error));
    return pending.answer;
  }

  /** Resolves when it was handed over, or when that failed: nobody waits for a notification. */
  async notify(method: string, params?: Readonly<Record<string, unknown>>): Promise<void> {
    const json = JSON.stringify({ jsonrpc: '2.0', method, ...(params ? { params } : {}) });
    await this.#post({ kind: 'notification', method, json });
  }

  message(bytes: Bytes, of?: number): void {
    if (isBlank(bytes)) return;
    const incoming = this.#reader.read(bytes);
    switch (incoming.kind) {
      case 'result':
        this.#onResult(incoming);
        break;
      case 'error':
        this.#onError(incoming);
        break;
      case 'malformed':
        this.#onMalformed(incoming.ids, incoming.why, bytes);
        break;
      case 'request':
        void this.#onRequest(incoming, of);
        break;
      case 'notification':
        this.#onNotification(incoming.method, incoming.params, of);
        break;
      case 'noise':
        this.#onNoise(bytes);
    }
  }

  growing(pieces: readonly Buffer[]): void {
    this.#reader.growing(pieces);
  }

  tooLong(line: LongLine): void {
    this.#reader.forget();
    const { server, maxMessageBytes, logger } = this.#options;
    const pending = this.#take(idOfLongLine(line));
    logger.warn({ server, bytes: line.bytes, limit: maxMessageBytes }, 'message above the limit skipped');
    pending?.refuse(tooLarge(server, pending.facts.method, line.bytes, maxMessageBytes));
  }

  down(end: SessionEnd): void {
    if (this.#end) return;
    this.#end = end;
    const { server, logger, onDown } = this.#options;
    logger.debug({ server, reason: end.reason, ...this.counts }, 'session over');
    for (const pending of [...this.#pending.values()]) {
      pending.fail(died(server, pending.facts.method, end));
    }
    this.#alarm.stop();
    onDown(end);
  }

  renew(): Promise<void> {
    return this.#options.onRenew();
  }

  /** For the requests themselves. */
  wake(at: number): void {
    this.#alarm.by(at);
  }

  /** For the requests themselves. */
  leave(pending: PendingRequest, outcome: Outcome): Delivery {
    const { id, method } = pending.facts;
    this.#pending.delete(id);
    // It was sent over this channel: there is never another.
    const delivery = this.#channel?.release(id, outcome === 'answered') ?? 'unsent';
    // The specification forbids to cancel `initialize`.
    if (outcome === 'abandoned' && delivery !== 'unsent' && method !== 'initialize') {
      const reason = pending.facts.options.signal.aborted
        ? 'The caller withdrew the request.'
        : 'The time for the request ran out.';
      void this.notify('notifications/cancelled', { requestId: id, reason });
    }
    return delivery;
  }

  #lookAtAll(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const pending of this.#pending.values()) next = Math.min(next, pending.look());
    return next;
  }

  #take(id: unknown): PendingRequest | undefined {
    const pending = this.#pending.get(id);
    if (!pending) this.#strayAnswers += 1;
    return pending;
  }

  #onResult({ id, result, depth }: Extract<Incoming, { kind: 'result' }>): void {
    const pending = this.#take(id);
    if (!pending) return;
    const { maxDepth, method } = pending.facts;
    // The message itself is one level.
    if (depth - 1 > maxDepth) {
      pending.refuse(
        protocolBroken(this.#options.server, method, `its result is nested deeper than ${maxDepth} levels`),
      );
    } else pending.resolve(result);
  }

  #onError({ id, error }: Extract<Incoming, { kind: 'error' }>): void {
    const pending = this.#take(id);
    pending?.refuse(upstreamError(this.#options.server, pending.facts.method, error));
  }

  #onMalformed(ids: readonly unknown[], why: string, bytes: Bytes): void {
    const { server, logger } = this.#options;
    logger.warn({ server, why, line: beginning(bytes) }, 'answer that breaks the protocol');
    for (const id of ids) {
      const pending = this.#take(id);
      pending?.refuse(protocolBroken(server, pending.facts.method, why));
    }
  }

  async #onRequest(request: ServerRequest, of: number | undefined): Promise<void> {
    if (this.#waitingResponses >= MAX_WAITING_RESPONSES) {
      this.#droppedRequests += 1;
      return;
    }
    this.#waitingResponses += 1;
    const owner = ownerOf(this.#pending, of);
    const goOn = pauseFor(owner, this.#pending, of);
    const json = await answerRequest(request, this.#options.onRequest, owner);
    goOn();
    await this.#post({ kind: 'response', json });
    this.#waitingResponses -= 1;
  }

  #onNotification(method: string, params: unknown, of: number | undefined): void {
    if (method !== 'notifications/progress') {
      this.#options.onNotification(method, params, ownerOf(this.#pending, of));
    } else if (typeof params === 'object' && params !== null) {
      const report = params as Readonly<Record<string, unknown>>;
      // Our tokens are our ids; a token that no waiting call has belongs to nobody.
      this.#pending.get(report['progressToken'])?.report(report);
    }
  }

  #onNoise(bytes: Bytes): void {
    this.#noise += 1;
    const now = performance.now();
    if (now - this.#noiseToldAt < NOISE_GAP_MS) return;
    const lines = this.#noise - this.#noiseTold;
    this.#noiseTold = this.#noise;
    this.#noiseToldAt = now;
    const { server, logger } = this.#options;
    logger.warn({ server, lines, line: beginning(bytes) }, 'the server prints what is no protocol');
    this.#options.onNoise(lines);
  }

  async #post(message: Outgoing): Promise<void> {
    if (this.#end) return;
    try {
      await this.#channel?.send(message);
    } catch (error) {
      this.#options.logger.debug(
        { server: this.#options.server, method: message.method, err: error },
        'not delivered',
      );
    }
  }
}

function isBlank(bytes: Bytes): boolean {
  return lengthOf(bytes) < 8 && oneOf(bytes).toString('latin1').trim() === '';
}

/** For the log. */
function beginning(bytes: Bytes): string {
  return oneLine(oneOf(bytes, 0, 400).toString('utf8'));
}
