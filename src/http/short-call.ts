import type { ServerResponse } from 'node:http';
import type { JSONRPCResponse } from '@modelcontextprotocol/server';
import { Alarm } from '../lib/alarm.js';
import { messagePieces, type Piece } from '../mcp/outbound.js';

/** Below this a copy costs less than a write of its own. */
const COPY_BELOW = 16 * 1_024;
/** A call that takes longer gets its stream: clients and proxies then see that it goes on, and can resume it. */
const JSON_WITHIN_MS = 100;
const ASCII = /^[\x00-\x7f]*$/;

export interface Exchange {
  readonly outgoing: ServerResponse;
  /** Of the answer as JSON, beside those of its body: name, value, name, value, ... */
  readonly headers: readonly string[];
  readonly late: LateCalls;
  /** Sends the request on the long way, which opens the stream and tells `opened` or `failed`. */
  readonly openStream: (call: ShortCall) => void;
}

/**
 * One call that is answered as JSON, unless something is said before its answer or it takes long: then its stream is
 * opened, as the SDK does for every call (2025-11-25, Streamable HTTP, Sending Messages: the server chooses).
 */
export class ShortCall {
  readonly #exchange: Exchange;
  #stream: Promise<void> | undefined;
  #resolve: () => void = () => {};
  #reject: (error: Error) => void = () => {};

  constructor(exchange: Exchange) {
    this.#exchange = exchange;
  }

  begin(): void {
    this.#exchange.late.add(this);
  }

  /** @returns false when the answer belongs on the stream. */
  answer(message: JSONRPCResponse): boolean {
    if (this.#stream) return false;
    const { outgoing, headers, late } = this.#exchange;
    late.delete(this);
    if (!outgoing.destroyed) writeJson(outgoing, headers, message);
    return true;
  }

  /** Resolves when the stream is open, rejects when it cannot be opened. All who ask go on in the order they asked in. */
  stream(): Promise<void> {
    this.#stream ??= new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      const { outgoing, openStream, late } = this.#exchange;
      late.delete(this);
      // Nobody was told an event id to resume by.
      if (outgoing.destroyed) {
        this.failed();
        return;
      }
      outgoing.once('close', () => this.failed());
      openStream(this);
    });
    return this.#stream;
  }

  opened(): void {
    this.#resolve();
  }

  failed(): void {
    this.#reject(new Error('the client is gone'));
  }

  /** The session ended before the call did: the long way says so. */
  end(): void {
    this.stream().catch(() => {});
    this.failed();
  }
}

/** Gives those that take long their streams. */
export class LateCalls {
  /** When each is late; all have the same time, so they are in the order of that. */
  readonly #due = new Map<ShortCall, number>();
  readonly #alarm = new Alarm(
    () => performance.now(),
    () => this.#open(),
  );

  add(call: ShortCall): void {
    const due = performance.now() + JSON_WITHIN_MS;
    this.#due.set(call, due);
    this.#alarm.by(due);
  }

  delete(call: ShortCall): void {
    this.#due.delete(call);
  }

  #open(): number {
    const now = performance.now();
    for (const [call, due] of this.#due) {
      if (due > now) return due;
      call.stream().catch(() => {});
    }
    return Number.POSITIVE_INFINITY;
  }
}

function writeJson(outgoing: ServerResponse, headers: readonly string[], message: JSONRPCResponse): void {
  const pieces = messagePieces(message);
  let length = 0;
  for (const piece of pieces)
    length += typeof piece === 'string' ? Buffer.byteLength(piece) : piece.byteLength;
  outgoing.writeHead(200, ['Content-Type', 'application/json', 'Content-Length', String(length), ...headers]);
  if (length < COPY_BELOW) {
    // Node joins text with the head into one write, but no bytes; as Latin-1 each byte is one character and back.
    let text = '';
    for (const piece of pieces) text += bytesAsText(piece);
    outgoing.write(text, 'latin1');
    // It is to leave now: else Node writes it with the nothing that `end` adds, as a list of two.
    outgoing.socket?.uncork();
    outgoing.end();
    return;
  }
  outgoing.cork();
  for (const piece of pieces) outgoing.write(piece);
  outgoing.uncork();
  outgoing.end();
}

/** The UTF-8 of a piece with a character for each byte. */
function bytesAsText(piece: Piece): string {
  if (typeof piece === 'string')
    return ASCII.test(piece) ? piece : Buffer.from(piece, 'utf8').toString('latin1');
  return Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength).toString('latin1');
}
