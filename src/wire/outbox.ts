import type { ChannelLimits } from './limits.js';
import type { Message } from './link.js';

/** Asked right before a frame leaves; `false`: it is not wanted any more. Once asked, it counts as sent. */
export type Gate = () => boolean;

interface Small {
  readonly message: Uint8Array[];
  readonly bytes: number;
  readonly gate: Gate | undefined;
}

interface Long {
  readonly id: number;
  readonly head: Uint8Array;
  readonly body: readonly Uint8Array[];
  readonly gate: Gate | undefined;
  /** How many small frames must have left before: what was sent before it arrives before it. */
  readonly after: number;
  piece: number;
  offset: number;
  begun: boolean;
  left: number;
}

/** After so many small frames one piece of a long body has its turn, so that neither starves the other. */
const TURN = 64;

/**
 * What waits for the window of one peer. Small frames keep their order and pass long bodies; long bodies take
 * turns, piece by piece. Nothing is copied.
 */
export class Outbox {
  readonly #limits: ChannelLimits;
  readonly #now: () => number;
  readonly #send: (message: Message) => void;
  #small: Small[] = [];
  #smallAt = 0;
  #smallQueued = 0;
  #smallSent = 0;
  #sinceLong = 0;
  #long: Long[] = [];
  #waitingBytes = 0;
  #sentBytes = 0;
  #sentMessages = 0;
  #ackedBytes = 0;
  #ackedMessages = 0;
  #ackedAt: number;

  constructor(limits: ChannelLimits, now: () => number, send: (message: Message) => void) {
    this.#limits = limits;
    this.#now = now;
    this.#send = send;
    this.#ackedAt = now();
  }

  get waiting(): number {
    return this.#small.length - this.#smallAt + this.#long.length;
  }

  /** @returns why the peer must be given up, or nothing. */
  small(head: Uint8Array, body: readonly Uint8Array[], gate?: Gate): string | undefined {
    let bytes = head.byteLength;
    for (const part of body) bytes += part.byteLength;
    if (this.waiting === 0 && this.#fits(bytes)) {
      if (gate?.() !== false) this.#out([head, ...body], bytes);
      return undefined;
    }
    this.#small.push({ message: [head, ...body], bytes, gate });
    this.#smallQueued += 1;
    return this.#queued(bytes);
  }

  long(id: number, head: Uint8Array, body: readonly Uint8Array[], gate?: Gate): string | undefined {
    let bytes = 0;
    for (const part of body) bytes += part.byteLength;
    this.#long.push({
      id,
      head,
      body,
      gate,
      after: this.#smallQueued,
      piece: 0,
      offset: 0,
      begun: false,
      left: bytes,
    });
    return this.#queued(bytes);
  }

  /** @returns whether the peer has a part of it already. */
  forget(id: number): boolean {
    const at = this.#long.findIndex((long) => long.id === id);
    const [long] = at < 0 ? [] : this.#long.splice(at, 1);
    this.#waitingBytes -= long?.left ?? 0;
    return long?.begun === true;
  }

  acknowledged(messages: number, bytes: number): void {
    if (messages > this.#sentMessages || bytes > this.#sentBytes || messages < this.#ackedMessages)
      throw new Error('More was acknowledged than was sent.');
    this.#ackedMessages = messages;
    this.#ackedBytes = bytes;
    this.#ackedAt = this.#now();
    this.#flush();
  }

  /** Why the peer must be given up, or nothing. */
  stalled(): string | undefined {
    const forMs = this.#now() - this.#ackedAt;
    if (this.#waitingBytes <= this.#limits.maxStalledBytes || forMs < this.#limits.stallMs) return undefined;
    return `${this.#waitingBytes} bytes wait, and nothing was taken for ${Math.round(forMs)} ms.`;
  }

  clear(): void {
    this.#small = [];
    this.#smallAt = 0;
    this.#long = [];
    this.#waitingBytes = 0;
  }

  #queued(bytes: number): string | undefined {
    if (this.#waitingBytes === 0) this.#ackedAt = this.#now();
    this.#waitingBytes += bytes;
    this.#flush();
    if (this.#waitingBytes <= this.#limits.maxWaitingBytes) return undefined;
    return `${this.#waitingBytes} bytes wait, more than are kept for one peer.`;
  }

  /** A frame larger than the window goes alone. */
  #fits(bytes: number): boolean {
    const inFlight = this.#sentBytes - this.#ackedBytes;
    if (inFlight === 0) return true;
    return (
      inFlight + bytes <= this.#limits.windowBytes &&
      this.#sentMessages - this.#ackedMessages < this.#limits.windowMessages
    );
  }

  #flush(): void {
    for (;;) {
      const small = this.#small[this.#smallAt];
      const long = this.#nextLong(small !== undefined);
      if (long !== undefined) {
        if (!this.#sendPiece(long)) return;
      } else if (small !== undefined) {
        if (!this.#fits(small.bytes)) return;
        this.#takeSmall();
        if (small.gate?.() !== false) this.#out(small.message, small.bytes);
      } else return;
    }
  }

  #takeSmall(): void {
    this.#waitingBytes -= (this.#small[this.#smallAt] as Small).bytes;
    this.#smallAt += 1;
    this.#smallSent += 1;
    this.#sinceLong += 1;
    if (this.#smallAt < 1_024 && this.#smallAt < this.#small.length) return;
    this.#small = this.#small.slice(this.#smallAt);
    this.#smallAt = 0;
  }

  #nextLong(smallWaits: boolean): Long | undefined {
    if (smallWaits && this.#sinceLong < TURN) return undefined;
    const [long] = this.#long;
    return long !== undefined && long.after <= this.#smallSent ? long : undefined;
  }

  #sendPiece(long: Long): boolean {
    const part = long.body[long.piece] ?? new Uint8Array(0);
    const bytes = part.subarray(long.offset, long.offset + this.#limits.partBytes);
    const head = long.begun ? Buffer.from(`{"type":"part","id":${long.id}}`) : long.head;
    if (!this.#fits(head.byteLength + bytes.byteLength)) return false;
    this.#long.shift();
    if (!long.begun && long.gate?.() === false) {
      this.#waitingBytes -= long.left;
      return true;
    }
    long.begun = true;
    long.offset += bytes.byteLength;
    long.left -= bytes.byteLength;
    this.#waitingBytes -= bytes.byteLength;
    if (long.offset >= part.byteLength) {
      long.piece += 1;
      long.offset = 0;
    }
    if (long.left > 0) this.#long.push(long);
    this.#sinceLong = 0;
    this.#out([head, bytes], head.byteLength + bytes.byteLength);
    return true;
  }

  #out(message: Message, bytes: number): void {
    this.#sentBytes += bytes;
    this.#sentMessages += 1;
    this.#send(message);
  }
}
