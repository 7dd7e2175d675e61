import type { z } from 'zod';
import { RuntimeError } from '../core/errors.js';
import { Assembly, type Body } from './assembly.js';
import type { GoodbyeReason } from './frames.js';
import { Heartbeat } from './heartbeat.js';
import { CHANNEL_LIMITS, type ChannelLimits } from './limits.js';
import type { LinkConnection, LinkEnd, LinkListener } from './link.js';
import { type Gate, Outbox } from './outbox.js';

/** What every frame has, and what the channel deals with by itself. */
interface AnyFrame {
  readonly type: string;
  readonly id?: number;
  readonly size?: number | undefined;
  readonly [key: string]: unknown;
}

export interface ChannelEnd {
  readonly reason: GoodbyeReason | 'lost' | 'garbage';
  readonly message: string;
  /** From a peer that said goodbye: requests with a greater id were not executed. */
  readonly lastId?: number | undefined;
}

export interface ChannelOptions<In> {
  /** What the peer may say. */
  readonly frames: z.ZodType<In>;
  /** Reads a frame that is spelled as usual; of any other nothing. */
  readonly usual: (text: string) => object | undefined;
  /** Whether a frame is one of the common ones, and valid, without asking the schema. */
  readonly quick: (given: Record<string, unknown>) => boolean;
  readonly limits?: Partial<ChannelLimits> | undefined;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
  /** Whether hardly anything is under way: then a frame does not wait for others to leave with. */
  readonly isQuiet?: (() => boolean) | undefined;
  readonly onFrame: (frame: In, body: Body | undefined) => void;
  /** Called once. */
  readonly onEnd: (end: ChannelEnd) => void;
  /** The peer's clock when it answered, and ours when we asked. */
  readonly onClock?: ((theirs: number, askedAt: number) => void) | undefined;
}

const NOTHING: readonly Uint8Array[] = [];

/**
 * Frames over a link, in order, with what a link has not: a window of unacknowledged bytes (a ROUTER drops what a
 * slow peer does not take), large bodies in parts between which small frames pass, heartbeats, and a goodbye that
 * says why. Memory is bounded: a peer that takes nothing is given up.
 */
export class Channel<In extends { readonly type: string }> implements LinkListener {
  readonly limits: ChannelLimits;
  readonly #options: ChannelOptions<In>;
  readonly #outbox: Outbox;
  readonly #assembly: Assembly<In>;
  readonly #heartbeat: Heartbeat;
  #connection: LinkConnection | undefined;
  #ended = false;
  #takenBytes = 0;
  #takenMessages = 0;
  #toldBytes = 0;
  #toldMessages = 0;

  constructor(options: ChannelOptions<In>) {
    this.#options = options;
    this.limits = { ...CHANNEL_LIMITS, ...options.limits };
    this.#outbox = new Outbox(this.limits, options.now, (message) =>
      this.#connection?.send(message, options.isQuiet?.() === true),
    );
    this.#assembly = new Assembly(this.limits);
    this.#heartbeat = new Heartbeat({
      intervalMs: this.limits.heartbeatMs,
      silenceMs: this.limits.silenceMs,
      now: options.now,
      beat: () => {
        this.control({ type: 'ping', clock: options.now() });
        const stalled = this.#outbox.stalled();
        if (stalled !== undefined) this.end('slow', stalled);
      },
      silent: (ms) => this.end('silent', `Nothing was heard for ${Math.round(ms)} ms.`),
    });
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Whether frames wait for the peer to take earlier ones. */
  get congested(): boolean {
    return this.#outbox.waiting > 0;
  }

  bind(connection: LinkConnection): this {
    this.#connection = connection;
    return this;
  }

  /** A frame that does not count against the window, because it keeps the window moving. */
  control(frame: AnyFrame): void {
    if (!this.#ended) this.#connection?.send([Buffer.from(JSON.stringify(frame))]);
  }

  send(frame: AnyFrame): void {
    this.sendText(JSON.stringify(frame));
  }

  /**
   * A frame that is printed already.
   * @param gate asked right before the link gets it: from then on it may arrive.
   */
  sendText(head: string, body: readonly Uint8Array[] = NOTHING, gate?: Gate): void {
    if (this.#ended) return;
    const problem = this.#outbox.small(Buffer.from(head), body, gate);
    if (problem !== undefined) this.end('slow', problem);
  }

  /** A frame with a long body, in parts. `head` names the id and the size. */
  sendLong(id: number, head: string, body: readonly Uint8Array[], gate?: Gate): void {
    if (this.#ended) return;
    const problem = this.#outbox.long(id, Buffer.from(head), body, gate);
    if (problem !== undefined) this.end('slow', problem);
  }

  /** Does not send what is left of a body. */
  forget(id: number): void {
    if (this.#outbox.forget(id)) this.send({ type: 'drop', id });
  }

  /** Says why, then ends the connection. */
  end(reason: GoodbyeReason, message: string, lastId?: number): void {
    if (this.#ended) return;
    this.control({ type: 'goodbye', reason, message, ...(lastId === undefined ? {} : { lastId }) });
    this.#finish({ reason, message });
    this.#connection?.close();
  }

  message(parts: Uint8Array[]): void {
    if (this.#ended) return;
    this.#heartbeat.heard();
    try {
      this.#take(parts);
    } catch (error) {
      this.end('protocol', error instanceof Error ? error.message.slice(0, 500) : 'The frame is not valid.');
    }
  }

  gone(end: LinkEnd): void {
    this.#finish({ reason: end.reason, message: end.message });
  }

  #take(parts: Uint8Array[]): void {
    const head = parts[0] as Buffer;
    if (parts.length > 2)
      throw new RuntimeError('UPSTREAM_PROTOCOL', `A frame of ${parts.length} parts came.`);
    const frame = this.#parse(head);
    switch (frame.type) {
      case 'ack': {
        this.#outbox.acknowledged(frame['messages'] as number, frame['bytes'] as number);
        return;
      }
      case 'ping':
        this.control({ type: 'pong', clock: this.#options.now(), echo: frame['clock'] });
        return;
      case 'pong':
        this.#options.onClock?.(frame['clock'] as number, frame['echo'] as number);
        return;
      case 'goodbye':
        this.#finish({
          reason: frame['reason'] as GoodbyeReason,
          message: frame['message'] as string,
          lastId: frame['lastId'] as number | undefined,
        });
        this.#connection?.close();
        return;
      default:
    }
    const body = parts[1];
    this.#count(head.byteLength + (body?.byteLength ?? 0));
    const whole = this.#assembly.add(frame as unknown as In & AnyFrame, body);
    if (whole !== undefined) this.#options.onFrame(whole.frame, whole.body);
  }

  #parse(head: Buffer): AnyFrame {
    const text = head.toString();
    const usual = this.#options.usual(text);
    if (usual !== undefined) return usual as AnyFrame;
    let given: unknown;
    try {
      given = JSON.parse(text);
    } catch {
      throw new RuntimeError('UPSTREAM_PROTOCOL', 'The head of a frame is not JSON.');
    }
    if (typeof given === 'object' && given !== null && this.#options.quick(given as Record<string, unknown>))
      return given as AnyFrame;
    const parsed = this.#options.frames.safeParse(given);
    if (parsed.success) return parsed.data as unknown as AnyFrame;
    const [issue] = parsed.error.issues;
    throw new RuntimeError(
      'UPSTREAM_PROTOCOL',
      `A frame is not valid: ${issue?.path.join('.') || 'type'}: ${issue?.message ?? 'unknown'}.`,
    );
  }

  #count(bytes: number): void {
    this.#takenBytes += bytes;
    this.#takenMessages += 1;
    const { windowBytes, windowMessages } = this.limits;
    if (
      this.#takenBytes - this.#toldBytes < windowBytes / 4 &&
      this.#takenMessages - this.#toldMessages < windowMessages / 4
    )
      return;
    this.#toldBytes = this.#takenBytes;
    this.#toldMessages = this.#takenMessages;
    this.control({ type: 'ack', messages: this.#takenMessages, bytes: this.#takenBytes });
  }

  #finish(end: ChannelEnd): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#heartbeat.stop();
    this.#outbox.clear();
    this.#assembly.clear();
    this.#options.onEnd(end);
  }
}
