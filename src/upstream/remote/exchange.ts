import { sleep } from '../../lib/abort.js';
import { backoffDelay } from '../../lib/backoff.js';
import type { ChannelSink } from '../channel.js';
import { tooLarge } from '../errors.js';
import { EventTooLarge, isEventStream, readEventStream, resumeHeaders } from './event-stream.js';
import { bodyUnusable, connectionFailed, connectionLost } from './http-errors.js';
import { readCapped } from './read-body.js';

const MAX_RECONNECTS = 5;
/** Whatever a server asks for with `retry:`; 0 would be a tight loop. */
const MIN_RECONNECT_MS = 500;
const MAX_RECONNECT_MS = 4_000;
/** After the answer the server should end the stream; this long it may, so that the connection can be used again. */
const LINGER_MS = 250;

export interface ExchangeOptions {
  readonly server: string;
  readonly id: number;
  readonly method: string;
  readonly maxMessageBytes: number;
  readonly sink: ChannelSink;
  /** Opens the stream of a broken exchange again (GET with Last-Event-ID). */
  readonly reconnect: (lastEventId: string, signal: AbortSignal) => Promise<Response>;
}

/**
 * The answer to one POSTed request: a JSON body, or an event stream that is taken up again when it breaks off. The
 * request itself is never sent twice from here.
 */
export class Exchange {
  readonly #options: ExchangeOptions;
  readonly #abort = new AbortController();
  #answered = false;
  #streams = false;
  #lastEventId: string | undefined;
  #retryMs = MIN_RECONNECT_MS;
  /** Whether the request was handed to the network. */
  posted = false;

  constructor(options: ExchangeOptions) {
    this.#options = options;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Nobody waits any more: closes the socket, at once unless the answer came. */
  release(answered: boolean): void {
    this.#answered = answered;
    if (!answered) this.#abort.abort();
    else if (this.#streams) setTimeout(() => this.#abort.abort(), LINGER_MS).unref();
  }

  /** Delivers what the response holds; rejects with a RuntimeError when the answer is not in it. */
  async deliver(response: Response): Promise<void> {
    const { server, method } = this.#options;
    if (isEventStream(response)) return this.#followStream(response);
    const type = response.headers.get('content-type') ?? '';
    if (
      response.status === 202 ||
      response.status === 204 ||
      !/^application\/(?:[\w.-]+\+)?json\b/i.test(type)
    ) {
      throw await bodyUnusable(server, method, response);
    }
    await this.#deliverJson(response);
  }

  /** A JSON body, whatever the status: servers answer 400 with a JSON-RPC error of the request's id. */
  async #deliverJson(response: Response): Promise<void> {
    const { server, id, method, maxMessageBytes, sink } = this.#options;
    let body: { bytes: Buffer; whole: boolean };
    try {
      body = await readCapped(response, maxMessageBytes);
    } catch (error) {
      throw connectionFailed(server, method, error);
    }
    if (!body.whole) throw tooLarge(server, method, body.bytes.byteLength, maxMessageBytes);
    sink.message(body.bytes, id);
    if (this.#answered) return;
    throw connectionLost(
      server,
      method,
      body.bytes.byteLength === 0 ? 'its HTTP answer was empty' : 'its HTTP answer was another message',
    );
  }

  async #followStream(first: Response): Promise<void> {
    const { server, method, reconnect } = this.#options;
    this.#streams = true;
    let response: Response | undefined = first;
    for (let tries = 1; ; tries += 1) {
      const why = response ? await this.#readStream(response) : 'the stream could not be opened again';
      if (this.#answered) return;
      if (this.#lastEventId === undefined) throw connectionLost(server, method, why);
      if (tries > MAX_RECONNECTS)
        throw connectionLost(server, method, `${why}, also after ${MAX_RECONNECTS} reconnects`);
      await this.#pause(tries);
      try {
        response = await reconnect(this.#lastEventId, this.signal);
      } catch {
        response = undefined;
      }
      if (response && !(response.ok && isEventStream(response))) {
        void response.body?.cancel().catch(() => {});
        throw connectionLost(
          server,
          method,
          `${why}, and it cannot be taken up again (HTTP ${response.status})`,
        );
      }
    }
  }

  async #pause(tries: number): Promise<void> {
    const { server, method } = this.#options;
    const grown = backoffDelay(tries, { baseMs: MIN_RECONNECT_MS, capMs: MAX_RECONNECT_MS, jitter: 0 });
    try {
      await sleep(Math.max(grown, Math.min(this.#retryMs, MAX_RECONNECT_MS)), { signal: this.signal });
    } catch (error) {
      throw connectionFailed(server, method, error);
    }
  }

  /** @returns why the stream is over. */
  async #readStream(response: Response): Promise<string> {
    const { server, method, maxMessageBytes, sink } = this.#options;
    const of = this.#options.id;
    if (!response.body) return 'the stream had no body';
    try {
      await readEventStream(response.body, maxMessageBytes, {
        event: ({ id, event, data }) => {
          if (id !== undefined) this.#lastEventId = 'last-event-id' in resumeHeaders(id) ? id : undefined;
          if (data !== '' && (event === undefined || event === 'message'))
            sink.message(Buffer.from(data, 'utf8'), of);
        },
        retry: (ms) => {
          this.#retryMs = ms;
        },
      });
      return 'the stream ended before the answer';
    } catch (error) {
      if (error instanceof EventTooLarge) {
        this.#abort.abort();
        throw tooLarge(server, method, maxMessageBytes, maxMessageBytes);
      }
      return 'the stream broke off before the answer';
    }
  }
}
