import { isUtf8 } from 'node:buffer';
import type { Readable, Writable } from 'node:stream';
import type {
  JSONRPCMessage,
  JSONRPCRequest,
  JSONRPCResponse,
  RequestId,
  Transport,
} from '@modelcontextprotocol/server';
import { LineSplitter } from '../lib/line-splitter.js';
import { allowsBatches, Batch, MAX_BATCH } from './batch.js';
import type { DirectCalls } from './direct-calls.js';
import type { Greet } from './greeting.js';
import {
  cancelledId,
  errorAnswer,
  INTERNAL_ERROR,
  INVALID_REQUEST,
  isRequest,
  parseError,
  readMessage,
} from './inbound.js';
import { LineWriter } from './line-writer.js';

const MEBIBYTE = 1_048_576;

export interface StdioTransportOptions {
  readonly stdin: Readable;
  readonly stdout: Writable;
  /** Longest message that is read. Default 64 MiB. */
  readonly maxMessageBytes?: number | undefined;
  /** What may wait for a client that does not read; above it the client is given up. Default 256 MiB. */
  readonly maxQueuedBytes?: number | undefined;
  /** Answers the first request if that comes before the SDK. */
  readonly greet?: Greet | undefined;
}

/** Above this, progress for a client that does not read is dropped: the next report says more anyway. */
const CONGESTED_BYTES = MEBIBYTE;

/**
 * Our own stdio transport, because the SDK's leaves what it cannot parse unanswered, ends the connection at a line over
 * 10 MiB, and lets a second request with the same id take the answer of the first.
 */
export class StdioTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: Transport['onmessage'];
  /** The short way for calls, once there is one. */
  direct: () => DirectCalls | undefined = () => undefined;
  readonly #stdin: Readable;
  readonly #stdout: Writable;
  readonly #writer: LineWriter;
  readonly #maxQueuedBytes: number;
  readonly #lines: LineSplitter;
  /** Requests that are not answered yet, with the batch they came in; `1` and `"1"` are different ids. */
  readonly #open = new Map<RequestId, Batch | undefined>();
  #revision: string | undefined;
  #greet: Greet | undefined;
  /** Of the request that was greeted, until the SDK has answered it too. */
  #greeted: RequestId | undefined;
  /** What came before the SDK, in order; undefined once it is there. */
  #early: JSONRPCMessage[] | undefined = [];
  #isListening = false;
  #closed = false;

  constructor(options: StdioTransportOptions) {
    this.#stdin = options.stdin;
    this.#stdout = options.stdout;
    this.#writer = new LineWriter(options.stdout);
    this.#greet = options.greet;
    this.#maxQueuedBytes = options.maxQueuedBytes ?? 256 * MEBIBYTE;
    const maxMessageBytes = options.maxMessageBytes ?? 64 * MEBIBYTE;
    this.#lines = new LineSplitter(maxMessageBytes, {
      line: (line) => this.#receiveLine(line),
      tooLong: () =>
        this.#write(errorAnswer(null, INVALID_REQUEST, `Invalid request: over ${maxMessageBytes} bytes`)),
    });
  }

  /** The SDK is there; what came before it is delivered. */
  async start(): Promise<void> {
    this.listen();
    const early = this.#early ?? [];
    this.#early = undefined;
    // A client that left meanwhile is told of once whoever starts us can hear it.
    if (this.#closed) setImmediate(() => this.onclose?.());
    else for (const message of early) this.#deliver(message);
  }

  /** Reads from now on, though the SDK may not be there yet. */
  listen(): void {
    if (this.#isListening) return;
    this.#isListening = true;
    this.#stdin.on('data', this.#onData);
    this.#stdin.once('end', this.#onEnd);
    this.#stdin.once('close', this.#onEnd);
    this.#stdin.once('error', this.#onBroken);
    // Never taken off again: a late EPIPE without a listener would end the process.
    this.#stdout.on('error', this.#onBroken);
    if (this.#stdin.readableEnded || this.#stdin.destroyed) setImmediate(this.#onEnd);
  }

  async send(message: JSONRPCMessage): Promise<void> {
    if (this.#closed) return;
    if ('method' in message) {
      const droppable = message.method === 'notifications/progress';
      if (!droppable || this.#writer.waitingBytes < CONGESTED_BYTES) this.#write(message);
      return;
    }
    this.#onAnswer(message);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#writer.flush();
    this.#closed = true;
    this.direct()?.close();
    this.#stdin.off('data', this.#onData);
    this.#stdin.off('end', this.#onEnd);
    this.#stdin.off('close', this.#onEnd);
    // A paused pipe does not keep the process alive.
    this.#stdin.pause();
    this.#open.clear();
    this.onclose?.();
  }

  /** Told by the server once `initialize` settled it. */
  setProtocolVersion(revision: string): void {
    this.#revision = revision;
  }

  readonly #onData = (chunk: Buffer | string) => {
    this.#lines.push(typeof chunk === 'string' ? Buffer.from(chunk, 'utf8') : chunk);
  };

  readonly #onEnd = () => {
    void this.close();
  };

  readonly #onBroken = (error: Error) => {
    if (!this.#closed) this.onerror?.(error);
    void this.close();
  };

  #receiveLine(line: Buffer): void {
    if (this.#closed || isBlank(line)) return;
    const value = parse(line);
    if (value === undefined) this.#write(parseError());
    else if (Array.isArray(value)) this.#receiveBatch(value);
    else this.#receive(value, undefined);
  }

  #receiveBatch(values: readonly unknown[]): void {
    const refusal = !allowsBatches(this.#revision)
      ? 'this revision of MCP has no batches'
      : values.length === 0 || values.length > MAX_BATCH
        ? `a batch has 1 to ${MAX_BATCH} messages`
        : undefined;
    if (refusal !== undefined) {
      this.#write(errorAnswer(null, INVALID_REQUEST, `Invalid request: ${refusal}`));
      return;
    }
    const batch = new Batch((answers) => this.#write(answers));
    // Expected before the first is received, since an answer may come at once.
    for (const _ of values) batch.expect();
    for (const value of values) this.#receive(value, batch);
  }

  #receive(value: unknown, batch: Batch | undefined): void {
    const read = readMessage(value);
    if (!read.ok) {
      this.#answer(read.answer, batch);
    } else if (isRequest(read.message)) {
      this.#receiveRequest(read.message, batch);
    } else {
      const cancelled = cancelledId(read.message);
      if (cancelled === undefined) this.#deliver(read.message);
      else {
        this.#cancel(cancelled, read.message);
        this.#settle(cancelled)?.settle(undefined);
      }
      batch?.settle(undefined);
    }
  }

  #receiveRequest(message: JSONRPCRequest, batch: Batch | undefined): void {
    const { id } = message;
    if (this.#open.has(id) || this.#greeted === id) {
      this.#answer(errorAnswer(id, INVALID_REQUEST, 'Invalid request: the id is in use'), batch);
      return;
    }
    if (batch === undefined && this.#early?.length === 0 && this.#answerEarly(message)) return;
    const direct = this.direct();
    // What the SDK has not answered yet may change how a call is served (a log level, for one), so it goes behind it.
    const isFree = direct !== undefined && direct.waiting === this.#open.size;
    this.#open.set(id, batch);
    if (isFree && direct.take(message, this.#onAnswer)) return;
    if (this.#deliver(message)) return;
    this.#settle(id);
    this.#answer(errorAnswer(id, INTERNAL_ERROR, 'Internal error'), batch);
  }

  /** @returns whether it was answered: it is delivered all the same. */
  #answerEarly(message: JSONRPCRequest): boolean {
    const greeting = this.#greet?.(message);
    this.#greet = undefined;
    if (greeting === undefined) return false;
    this.#greeted = message.id;
    this.#revision = greeting.revision;
    this.#write({ jsonrpc: '2.0', id: message.id, result: greeting.result });
    // At once: what is loaded next holds the event loop.
    this.#writer.flush();
    this.#deliver(message);
    return true;
  }

  readonly #onAnswer = (message: JSONRPCResponse) => {
    if (message.id !== undefined && message.id === this.#greeted) this.#greeted = undefined;
    else if (!this.#closed)
      this.#answer(message, message.id === undefined ? undefined : this.#settle(message.id));
  };

  #cancel(id: RequestId, message: JSONRPCMessage): void {
    const { reason } = (message as { params?: { reason?: unknown } }).params ?? {};
    if (this.direct()?.cancel(id, reason) !== true) this.#deliver(message);
  }

  #answer(message: object, batch: Batch | undefined): void {
    if (batch) batch.settle(message);
    else this.#write(message);
  }

  /** @returns false when the receiver threw. */
  #deliver(message: JSONRPCMessage): boolean {
    if (this.#early !== undefined) {
      this.#early.push(message);
      return true;
    }
    try {
      this.onmessage?.(message);
      return true;
    } catch (error) {
      this.onerror?.(error instanceof Error ? error : new Error(String(error)));
      return false;
    }
  }

  #settle(id: RequestId): Batch | undefined {
    const batch = this.#open.get(id);
    this.#open.delete(id);
    return batch;
  }

  #write(message: object): void {
    if (this.#closed || this.#stdout.destroyed) return;
    this.#writer.write(message);
    const waiting = this.#writer.waitingBytes;
    if (waiting <= this.#maxQueuedBytes) return;
    this.onerror?.(new Error(`the client does not read: ${waiting} bytes wait`));
    this.#stdout.destroy();
    void this.close();
  }
}

/** The value, or undefined for what is no JSON in UTF-8. */
function parse(line: Buffer): unknown {
  // Replaced characters would change what the client said without a word.
  if (!isUtf8(line)) return undefined;
  try {
    return JSON.parse(line.toString('utf8'));
  } catch {
    return undefined;
  }
}

const isBlank = (line: Buffer) => line.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d);
