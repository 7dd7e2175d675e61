import type { ServerResponse } from 'node:http';
import type { JSONRPCResponse } from '@modelcontextprotocol/server';
import { messagePieces } from '../mcp/outbound.js';

/** Below this a copy costs less than a write of its own. */
const COPY_BELOW = 16 * 1_024;
/** A call that takes longer gets its stream: clients and proxies then see that it goes on, and can resume it. */
const JSON_WITHIN_MS = 100;

export interface Exchange {
  readonly outgoing: ServerResponse;
  /** Of the answer as JSON. */
  readonly headers: Readonly<Record<string, string>>;
  /** Sends the request on the long way, which opens the stream and tells `opened` or `failed`. */
  readonly openStream: (call: ShortCall) => void;
}

/**
 * One call that is answered as JSON, unless something is said before its answer or it takes long: then its stream is
 * opened, as the SDK does for every call (2025-11-25, Streamable HTTP, Sending Messages: the server chooses).
 */
export class ShortCall {
  readonly #exchange: Exchange;
  #timer: NodeJS.Timeout | undefined;
  #stream: Promise<void> | undefined;
  #resolve: () => void = () => {};
  #reject: (error: Error) => void = () => {};

  constructor(exchange: Exchange) {
    this.#exchange = exchange;
  }

  begin(): void {
    this.#timer = setTimeout(() => void this.stream().catch(() => {}), JSON_WITHIN_MS);
  }

  /** @returns false when the answer belongs on the stream. */
  answer(message: JSONRPCResponse): boolean {
    if (this.#stream) return false;
    clearTimeout(this.#timer);
    const { outgoing, headers } = this.#exchange;
    if (!outgoing.destroyed) writeJson(outgoing, headers, message);
    return true;
  }

  /** Resolves when the stream is open, rejects when it cannot be opened. All who ask go on in the order they asked in. */
  stream(): Promise<void> {
    this.#stream ??= new Promise((resolve, reject) => {
      clearTimeout(this.#timer);
      this.#resolve = resolve;
      this.#reject = reject;
      const { outgoing, openStream } = this.#exchange;
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

function writeJson(
  outgoing: ServerResponse,
  headers: Readonly<Record<string, string>>,
  message: JSONRPCResponse,
): void {
  const pieces = messagePieces(message).map((piece) =>
    typeof piece === 'string' ? Buffer.from(piece, 'utf8') : piece,
  );
  const length = pieces.reduce((sum, piece) => sum + piece.byteLength, 0);
  outgoing.writeHead(200, { ...headers, 'Content-Length': length });
  if (length < COPY_BELOW) {
    // Node joins text with the head into one write, but no bytes; as Latin-1 each byte is one character and back.
    outgoing.end(Buffer.concat(pieces, length).toString('latin1'), 'latin1');
    return;
  }
  outgoing.cork();
  for (const piece of pieces) outgoing.write(piece);
  outgoing.uncork();
  outgoing.end();
}
