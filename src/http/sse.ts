import { randomUUID } from 'node:crypto';
import { INVALID_REQUEST, type JSONRPCMessage, type Transport } from '@modelcontextprotocol/server';
import type { Connection } from '../mcp/connection.js';
import { cancelledId, errorAnswer, idKey, isRequest, readMessage } from '../mcp/inbound.js';
import { messagePieces, type Piece } from '../mcp/outbound.js';
import { refusal, rpcResponse } from './answers.js';
import type { Closable } from './sessions.js';

const KEEP_ALIVE_MS = 15_000;
/** What may wait for a client that does not read; above it the client is given up. */
const MAX_QUEUED_BYTES = 128 * 1_048_576;

/**
 * HTTP+SSE of 2024-11-05: answers come on one long stream, requests by POST to the address that it begins with. Our own,
 * since the SDK's (a frozen package with an Express peer) reads bodies past our limit and knows no owner of a session.
 */
export class SseTransport implements Transport, Closable {
  readonly sessionId = randomUUID();
  readonly response: Response;
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: Transport['onmessage'];
  readonly #connection: Connection;
  readonly #onended: (sessionId: string) => void;
  readonly #waiting = new Set<string>();
  readonly #keepAlive: NodeJS.Timeout;
  #stream: ReadableStreamDefaultController<Uint8Array> | undefined;

  /**
   * @param messagePath where this session's client posts to.
   * @param onended told when the session is over, whoever ended it.
   */
  constructor(connection: Connection, messagePath: string, onended: (sessionId: string) => void) {
    this.#connection = connection;
    this.#onended = onended;
    const body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#stream = controller;
        },
        cancel: () => {
          this.#stream = undefined;
          void this.close();
        },
      },
      new ByteLengthQueuingStrategy({ highWaterMark: MAX_QUEUED_BYTES }),
    );
    this.response = new Response(body, {
      headers: {
        'Content-Type': 'text/event-stream',
        'Cache-Control': 'no-cache, no-transform',
        'X-Accel-Buffering': 'no',
      },
    });
    this.#write(Buffer.from(`event: endpoint\ndata: ${messagePath}?sessionId=${this.sessionId}\n\n`, 'utf8'));
    this.#keepAlive = setInterval(() => this.#write(Buffer.from(': keepalive\n\n')), KEEP_ALIVE_MS);
    this.#keepAlive.unref();
  }

  get busy(): boolean {
    return this.#waiting.size > 0;
  }

  async start(): Promise<void> {
    await Promise.resolve();
  }

  /** Takes what the client posted. The answer comes on the stream. */
  receive(body: unknown): Response {
    const read = readMessage(body);
    if (!read.ok) return rpcResponse(400, read.answer);
    const { message } = read;
    if (isRequest(message)) {
      const key = idKey(message.id);
      if (this.#waiting.has(key)) {
        return rpcResponse(
          400,
          errorAnswer(message.id, INVALID_REQUEST, 'Invalid request: the id is in use'),
        );
      }
      this.#waiting.add(key);
    }
    if (!this.onmessage) return refusal(404, 'Session not found');
    this.onmessage(message);
    const cancelled = cancelledId(message);
    if (cancelled !== undefined) this.#waiting.delete(idKey(cancelled));
    return new Response('Accepted', { status: 202 });
  }

  async send(message: JSONRPCMessage): Promise<void> {
    if (!('method' in message) && message.id !== undefined) this.#waiting.delete(idKey(message.id));
    this.#write('event: message\ndata: ');
    for (const piece of messagePieces(message)) this.#write(piece);
    this.#write('\n\n');
    if (this.#stream && (this.#stream.desiredSize ?? 0) <= 0) {
      this.onerror?.(new Error('the client does not read'));
      await this.close();
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#keepAlive);
    const stream = this.#stream;
    this.#stream = undefined;
    stream?.close();
    const { onclose } = this;
    if (!onclose) return;
    delete this.onclose;
    onclose();
    this.#onended(this.sessionId);
    await this.#connection.close();
  }

  #write(piece: Piece): void {
    this.#stream?.enqueue(typeof piece === 'string' ? Buffer.from(piece, 'utf8') : piece);
  }
}
