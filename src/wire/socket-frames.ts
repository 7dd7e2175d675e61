import type { Message } from './link.js';
import { MAX_PARTS } from './link-limits.js';

/**
 * The form of a message on a byte stream: one byte `0xA0 + n` for n parts, n lengths of four bytes (big endian),
 * then the parts. The first byte makes text, HTTP and TLS garbage at once.
 */
const MARK = 0xa0;

/** Below this a copy into one buffer costs less than a vector of writes (measured: 3 us for two small parts). */
const COPY_BELOW = 16 * 1024;

const NOTHING = Buffer.alloc(0);

/** Messages as the buffers to write: what is small stands together in one, long parts are not copied. */
export function pack(messages: readonly Message[]): Uint8Array[] {
  let size = 0;
  for (const message of messages) {
    size += 1 + message.length * 4;
    for (const part of message) if (part.byteLength < COPY_BELOW) size += part.byteLength;
  }
  const together = Buffer.allocUnsafe(size);
  const buffers: Uint8Array[] = [];
  let from = 0;
  let at = 0;
  for (const message of messages) {
    together[at++] = MARK + message.length;
    for (const part of message) at = together.writeUInt32BE(part.byteLength, at);
    for (const part of message) {
      if (part.byteLength < COPY_BELOW) {
        together.set(part, at);
        at += part.byteLength;
      } else {
        if (at > from) buffers.push(together.subarray(from, at));
        buffers.push(part);
        from = at;
      }
    }
  }
  if (at > from) buffers.push(together.subarray(from, at));
  return buffers;
}

/**
 * Cuts a stream into messages. Linear in bytes: a part that stands whole in one chunk is a view of it, one that
 * does not is filled piece by piece into a buffer of its length. Holds at most one message of bounded size.
 */
export class Unframer {
  readonly #maxPartBytes: number;
  readonly #head = Buffer.alloc(1 + MAX_PARTS * 4);
  #headHas = 0;
  #lengths: number[] = [];
  #parts: Uint8Array[] = [];
  #filling: Buffer | undefined;
  #filled = 0;

  constructor(maxPartBytes: number) {
    this.#maxPartBytes = maxPartBytes;
  }

  /** Where what comes next is to be put, when it is known to be of a long part: then `wrote` tells how much was. */
  get room(): Buffer | undefined {
    return this.#filling?.subarray(this.#filled);
  }

  wrote(bytes: number, emit: (parts: Uint8Array[]) => void): void {
    this.#filled += bytes;
    if (this.#filled !== this.#filling?.length) return;
    this.#takePart(this.#filling);
    // What comes behind it may be empty.
    this.#takeParts(NOTHING, 0);
    if (this.#complete()) this.#emit(emit);
  }

  /**
   * @param chunk is kept by the messages made of it.
   * @returns why the stream is garbage, or nothing. After garbage the stream is over.
   */
  push(chunk: Buffer, emit: (parts: Uint8Array[]) => void): string | undefined {
    let at = 0;
    while (at < chunk.length) {
      if (this.#lengths.length === 0) {
        at = this.#takeHead(chunk, at);
        const problem = this.#readHead();
        if (problem !== undefined) return problem;
        if (this.#lengths.length === 0) return undefined;
      }
      at = this.#takeParts(chunk, at);
      if (!this.#complete()) return undefined;
      this.#emit(emit);
    }
    return undefined;
  }

  #emit(emit: (parts: Uint8Array[]) => void): void {
    const parts = this.#parts;
    this.#parts = [];
    this.#lengths = [];
    this.#headHas = 0;
    emit(parts);
  }

  #takePart(part: Buffer): void {
    this.#parts.push(part);
    this.#filling = undefined;
    this.#filled = 0;
  }

  #complete(): boolean {
    return this.#lengths.length > 0 && this.#parts.length === this.#lengths.length;
  }

  #headNeeds(): number {
    return this.#headHas === 0 ? 1 : 1 + ((this.#head[0] as number) - MARK) * 4;
  }

  #takeHead(chunk: Buffer, from: number): number {
    let at = from;
    if (this.#headHas === 0 && at < chunk.length) {
      this.#head[0] = chunk[at++] as number;
      this.#headHas = 1;
      const parts = (this.#head[0] as number) - MARK;
      if (parts < 1 || parts > MAX_PARTS) return at;
    }
    const take = Math.min(this.#headNeeds() - this.#headHas, chunk.length - at);
    chunk.copy(this.#head, this.#headHas, at, at + take);
    this.#headHas += take;
    return at + take;
  }

  #readHead(): string | undefined {
    const count = (this.#head[0] as number) - MARK;
    if (this.#headHas > 0 && (count < 1 || count > MAX_PARTS)) return 'it is not in the form of this link';
    if (this.#headHas === 0 || this.#headHas < this.#headNeeds()) return undefined;
    const lengths: number[] = [];
    for (let index = 0; index < count; index += 1) {
      const length = this.#head.readUInt32BE(1 + index * 4);
      if (length > this.#maxPartBytes)
        return `a part of ${length} bytes is longer than the ${this.#maxPartBytes} allowed`;
      lengths.push(length);
    }
    this.#lengths = lengths;
    return undefined;
  }

  #takeParts(chunk: Buffer, from: number): number {
    let at = from;
    while (this.#parts.length < this.#lengths.length) {
      const length = this.#lengths[this.#parts.length] as number;
      const rest = chunk.length - at;
      if (this.#filling === undefined && rest >= length) {
        this.#parts.push(chunk.subarray(at, at + length));
        at += length;
        continue;
      }
      if (rest === 0) return at;
      this.#filling ??= Buffer.allocUnsafe(length);
      const take = Math.min(length - this.#filled, rest);
      chunk.copy(this.#filling, this.#filled, at, at + take);
      this.#filled += take;
      at += take;
      if (this.#filled < length) return at;
      this.#takePart(this.#filling);
    }
    return at;
  }
}
