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
import type { Greet } from './greeting.js';
import { cancelledId, errorAnswer, isRequest, parseError, readMessage } from './inbound.js';
import { LineWriter } from './line-writer.js';
import { INTERNAL_ERROR, INVALID_REQUEST } from './protocol-error.js';
import { GREETED, StdioDispatch, type StdioHost } from './stdio-dispatch.js';
import type { StdioSession } from './stdio-session.js';

const MEBIBYTE = 1_048_576;

export interface StdioTransportOptions {
  readonly stdin: Readable;
  readonly stdout: Writable;
  /** Longest message that is read. Default 64 MiB. */
  readonly maxMessageBytes?: number | undefined;
  /** What may wait for a client that does not read; above it the client is given up. Default 256 MiB. */
  readonly maxQueuedBytes?: number | undefined;
  /** Answers the first request of a client, which then gets a session of ours. Without it the SDK serves it. */
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
  /** Whether the SDK would take it for a request. What it takes for nothing it drops, and the client would wait for ever. */
  isRequestToSdk: (message: unknown) => boolean = () => true;
  readonly #stdin: Readable;
  readonly #stdout: Writable;
  readonly #writer: LineWriter;
  readonly #maxQueuedBytes: number;
  readonly #lines: LineSplitter;
  /** Requests that are not answered yet, with the batch they came in; `1` and `"1"` are different ids. */
  readonly #open = new Map<RequestId, Batch | undefined>();
  #revision: string | undefined;
  #greet: Greet | undefined;
  readonly #dispatch = new StdioDispatch((message) => this.#onAnswer(message));
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

  /** Who serves the client is there; what it said before is served. */
  serve(host: StdioHost): void {
    this.listen();
    // A client that left before is told of once whoever serves can hear it.
    if (this.#closed) setImmediate(() => this.onclose?.());
    else this.#dispatch.serve(host);
  }

  /** Whether a session of ours serves the client. */
  get hasSession(): boolean {
    return this.#dispatch.hasSession;
  }

  /** The SDK has greeted the client, and a session of ours takes over what it can. */
  adopt(session: StdioSession): void {
    this.#dispatch.adopt(session);
  }

  /** The SDK is there; what it has to know of is delivered. */
  async start(): Promise<void> {
    this.listen();
    // A client that left meanwhile is told of once whoever starts us can hear it.
    if (this.#closed) setImmediate(() => this.onclose?.());
    else this.#dispatch.sdkIsThere((message) => this.#toSdk(message));
  }

  /** Reads from now on, though nobody may be there yet who serves the client. */
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
    this.post(message);
  }

  /** What `send` does, without a promise. */
  readonly post = (message: object): void => {
    if (this.#closed) return;
    if (!('method' in message)) this.#onAnswer(message as JSONRPCResponse);
    else {
      const droppable = message.method === 'notifications/progress';
      if (!droppable || this.#writer.waitingBytes < CONGESTED_BYTES) this.#write(message);
    }
  };

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#writer.flush();
    this.#closed = true;
    this.#dispatch.close();
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
      // Who does not begin with `initialize` is the SDK's.
      this.#greet = undefined;
      const cancelled = cancelledId(read.message);
      if (cancelled === undefined) this.#dispatch.other(read.message);
      else {
        this.#dispatch.cancel(cancelled, read.message);
        this.#settle(cancelled)?.settle(undefined);
      }
      batch?.settle(undefined);
    }
  }

  #receiveRequest(message: JSONRPCRequest, batch: Batch | undefined): void {
    const { id } = message;
    if (this.#open.has(id) || id === GREETED) {
      this.#answer(errorAnswer(id, INVALID_REQUEST, 'Invalid request: the id is in use'), batch);
      return;
    }
    const greet = this.#greet;
    this.#greet = undefined;
    if (greet && batch === undefined && this.#isGreeted(message, greet)) return;
    this.#open.set(id, batch);
    this.#dispatch.request(message);
  }

  /** @returns whether it was. */
  #isGreeted(message: JSONRPCRequest, greet: Greet): boolean {
    const greeting = greet(message);
    if (greeting === undefined) return false;
    this.#revision = greeting.revision;
    this.#write({ jsonrpc: '2.0', id: message.id, result: greeting.result });
    // At once: what is loaded next holds the event loop.
    this.#writer.flush();
    this.#dispatch.greeted(greeting.client, message);
    return true;
  }

  #onAnswer(message: JSONRPCResponse): void {
    const { id } = message;
    if (this.#closed || id === GREETED) return;
    this.#answer(message, id === undefined ? undefined : this.#settle(id));
  }

  #answer(message: object, batch: Batch | undefined): void {
    if (batch) batch.settle(message);
    else this.#write(message);
  }

  /** A request is answered in any case. */
  #toSdk(message: JSONRPCMessage): void {
    if (isRequest(message) && !this.isRequestToSdk(message)) {
      this.#refuse(message, INVALID_REQUEST, 'Invalid request: not as MCP has it');
      return;
    }
    try {
      this.onmessage?.(message);
    } catch (error) {
      this.onerror?.(error instanceof Error ? error : new Error(String(error)));
      if (isRequest(message)) this.#refuse(message, INTERNAL_ERROR, 'Internal error');
    }
  }

  #refuse({ id }: JSONRPCRequest, code: number, why: string): void {
    this.#onAnswer(errorAnswer(id, code, why) as JSONRPCResponse);
  }

  #settle(id: RequestId): Batch | undefined {
    const batch = this.#open.get(id);
    this.#open.delete(id);
    this.#dispatch.settled(id);
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
