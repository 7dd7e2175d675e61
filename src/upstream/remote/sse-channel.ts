import type { SessionEnd } from '../../core/upstream.js';
import type { ChannelSink, Delivery, MessageChannel, Outgoing } from '../channel.js';
import { died, protocolBroken } from '../errors.js';
import { EventTooLarge, isEventStream, readEventStream } from './event-stream.js';
import { guardedFetch } from './guarded-fetch.js';
import { bodyUnusable, connectionFailed, statusFailed } from './http-errors.js';
import { withRetries } from './retry.js';
import type { HttpChannelOptions } from './streamable-http-channel.js';

const NOTIFY_MS = 10_000;
/** A stream that cannot be opened now is asked for again within this time. */
const OPEN_MS = 10_000;

/**
 * HTTP+SSE (2024-11-05): one stream of events carries all answers, messages are POSTed to the address it names first.
 * The stream cannot be taken up again: when it ends, the session does.
 */
export class SseChannel implements MessageChannel {
  readonly pid = undefined;
  readonly ended: Promise<SessionEnd>;
  readonly #options: HttpChannelOptions;
  readonly #sink: ChannelSink;
  readonly #stream = new AbortController();
  readonly #posts = new Map<number, AbortController>();
  /** Where messages go; rejects when the stream fails before it says so. */
  readonly #address: Promise<URL>;
  #version: string | undefined;
  #isDown = false;
  #resolveEnded: (end: SessionEnd) => void = () => {};

  constructor(options: HttpChannelOptions, sink: ChannelSink) {
    this.#options = options;
    this.#sink = sink;
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    this.#address = new Promise((resolve, reject) => {
      const over = (error: unknown, message: string) => {
        reject(connectionFailed(options.server, 'the event stream', error));
        // A little later: who waits for the address shall hear why there is none, not only that it is over.
        setImmediate(() => this.#goDown('lost', message));
      };
      this.#follow(resolve).then(
        () =>
          over(
            protocolBroken(options.server, 'the event stream', 'it ended without an endpoint'),
            'ended its event stream',
          ),
        (error: unknown) =>
          over(
            error,
            error instanceof EventTooLarge ? 'sent an event above the limit' : 'broke off its event stream',
          ),
      );
    });
    this.#address.catch(() => {});
  }

  async send(message: Outgoing): Promise<void> {
    const { server } = this.#options;
    const method = message.method ?? 'a response';
    const abort = new AbortController();
    if (message.id !== undefined) this.#posts.set(message.id, abort);
    const limit = message.kind === 'request' ? undefined : setTimeout(() => abort.abort(), NOTIFY_MS);
    try {
      const address = await this.#address;
      if (this.#isDown) throw died(server, method, undefined);
      abort.signal.throwIfAborted();
      const headers = { ...this.#headers(), 'content-type': 'application/json' };
      const response = await this.#fetch(address, {
        method: 'POST',
        headers,
        body: message.json,
        signal: abort.signal,
      });
      if (!response.ok) throw await statusFailed(server, method, response);
      await response.body?.cancel().catch(() => {});
    } catch (error) {
      throw connectionFailed(server, method, error);
    } finally {
      clearTimeout(limit);
      if (message.id !== undefined) this.#posts.delete(message.id);
    }
  }

  release(id: number, answered: boolean): Delivery {
    // The answer may come before the POST is confirmed; that is left to finish.
    if (!answered) this.#posts.get(id)?.abort();
    return 'sent';
  }

  useVersion(version: string): void {
    this.#version = version;
  }

  close(): Promise<SessionEnd> {
    this.#goDown('closed', 'the session was closed');
    return this.ended;
  }

  #goDown(reason: SessionEnd['reason'], message: string): void {
    if (this.#isDown) return;
    this.#isDown = true;
    const end: SessionEnd = { reason, message };
    this.#stream.abort();
    this.#sink.down(end);
    for (const post of this.#posts.values()) post.abort();
    const { dispatcher } = this.#options;
    void Promise.resolve(dispatcher?.destroy()).then(() => this.#resolveEnded(end));
  }

  /** Reads the stream to its end. */
  async #follow(tellAddress: (address: URL) => void): Promise<void> {
    const { server, url, maxMessageBytes } = this.#options;
    const { signal } = this.#stream;
    const open = () =>
      this.#fetch(url, { method: 'GET', headers: this.#headers('text/event-stream'), signal });
    const response = await withRetries(open, {
      method: 'initialize',
      signal,
      expiresAt: performance.now() + OPEN_MS,
    });
    if (!response.ok) throw await statusFailed(server, 'the event stream', response);
    if (!isEventStream(response) || !response.body)
      throw await bodyUnusable(server, 'the event stream', response);
    await readEventStream(response.body, maxMessageBytes, {
      tooLong: (line) => this.#sink.tooLong(line),
      event: ({ event, data }) => {
        if (event === 'endpoint') tellAddress(this.#endpoint(data));
        else if (data !== '' && (event === undefined || event === 'message'))
          this.#sink.message(Buffer.from(data, 'utf8'));
      },
    });
  }

  /** Another origin would get our messages and headers. */
  #endpoint(data: string): URL {
    const { server, url } = this.#options;
    const refuse = (why: string) =>
      protocolBroken(server, 'the event stream', `the address it gives for messages ${why}`);
    let address: URL;
    try {
      address = new URL(data, url);
    } catch {
      throw refuse('is no url');
    }
    if (address.origin !== url.origin) throw refuse(`is on ${address.origin}, not on ${url.origin}`);
    return address;
  }

  #headers(accept = '*/*'): Record<string, string> {
    return {
      ...this.#options.headers,
      accept,
      ...(this.#version === undefined ? {} : { 'mcp-protocol-version': this.#version }),
    };
  }

  #fetch(url: URL, init: RequestInit): Promise<Response> {
    return guardedFetch(this.#options.server, this.#options.fetch, url, init);
  }
}
