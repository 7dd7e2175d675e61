import type { Writable } from 'node:stream';
import { Soon } from '../lib/soon.js';
import { messagePieces, type Piece } from './outbound.js';

/** Below this a copy costs less than a piece of a vector of writes. */
const COPY_BELOW = 16 * 1_024;
/** So much leaves at the latest at once: what waits here is not seen by the stream. */
const FLUSH_ABOVE = 256 * 1_024;

/**
 * Messages as lines on a stream. What is written within one turn of the event loop leaves in one system call, which
 * costs more than the message; what is large is not copied.
 */
export class LineWriter {
  readonly #stream: Writable;
  /** Made with the first message: what is old keeps the young that it refers to from being freed, even as garbage. */
  #pieces: Piece[] | undefined;
  #bytes = 0;
  readonly #soon = new Soon(() => this.flush());

  constructor(stream: Writable) {
    this.#stream = stream;
  }

  /** Bytes (of text: characters) that the other end has not taken yet. */
  get waitingBytes(): number {
    return this.#stream.writableLength + this.#bytes;
  }

  write(message: object): void {
    if (!this.#pieces) this.#soon.ask(true);
    this.#pieces ??= [];
    for (const piece of messagePieces(message)) {
      this.#pieces.push(piece);
      this.#bytes += piece.length;
    }
    this.#pieces.push('\n');
    this.#bytes += 1;
    if (this.#bytes > FLUSH_ABOVE) this.flush();
  }

  flush(): void {
    const pieces = this.#pieces;
    if (!pieces) return;
    this.#pieces = undefined;
    this.#bytes = 0;
    if (this.#stream.destroyed) return;
    const buffers = joined(pieces);
    const [only] = buffers;
    if (buffers.length === 1 && only !== undefined) {
      this.#stream.write(only);
      return;
    }
    this.#stream.cork();
    for (const buffer of buffers) this.#stream.write(buffer);
    this.#stream.uncork();
  }
}

/** Neighbouring small pieces as one buffer, large ones as they are. */
function joined(pieces: readonly Piece[]): Uint8Array[] {
  const buffers: Uint8Array[] = [];
  let small: Piece[] = [];
  let size = 0;
  const close = () => {
    if (small.length > 0) buffers.push(copied(small, size));
    small = [];
    size = 0;
  };
  for (const piece of pieces) {
    const bytes = typeof piece === 'string' ? Buffer.byteLength(piece) : piece.byteLength;
    if (bytes >= COPY_BELOW) {
      close();
      buffers.push(typeof piece === 'string' ? Buffer.from(piece) : piece);
    } else {
      small.push(piece);
      size += bytes;
    }
  }
  close();
  return buffers;
}

function copied(pieces: readonly Piece[], size: number): Buffer {
  const buffer = Buffer.allocUnsafe(size);
  let at = 0;
  for (const piece of pieces) {
    if (typeof piece === 'string') at += buffer.write(piece, at);
    else {
      buffer.set(piece, at);
      at += piece.byteLength;
    }
  }
  return buffer;
}
