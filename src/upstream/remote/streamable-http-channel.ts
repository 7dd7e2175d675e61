import type { SessionEnd } from '../../core/upstream.js';
import type { Logger } from '../../lib/log.js';
import type { ChannelSink, Delivery, MessageChannel, Outgoing } from '../channel.js';
import { protocolBroken } from '../errors.js';
import { readMessage } from '../message.js';
import type { Dispatcher } from './dispatcher.js';
import type { Endpoint } from './endpoint.js';
import { resumeHeaders } from './event-stream.js';
import { Exchange } from './exchange.js';
import { type Fetch, guardedFetch } from './guarded-fetch.js';
import { connectionFailed, statusFailed } from './http-errors.js';
import { Listener } from './listener.js';
import { readCapped } from './read-body.js';
import { withRetries } from './retry.js';

const STATELESS = '2026-07-28';
/** Nobody waits for these, so they get a limit of their own. */
const NOTIFY_MS = 10_000;
const DELETE_MS = 2_000;
const MAX_SESSION_ID = 1_024;
/** What the SDK's servers say of a session they do not know, with status 404 or 400. */
const SESSION_UNKNOWN = -32001;

export interface HttpChannelOptions extends Endpoint {
  readonly server: string;
  readonly fetch: Fetch;
  /** The connections of this session, to be closed with it. */
  readonly dispatcher: Dispatcher | undefined;
  readonly maxMessageBytes: number;
  readonly logger: Logger;
}

/** Streamable HTTP (2025-03-26 to 2025-11-25): a POST per message, answered as JSON or as a stream of events. */
export class StreamableHttpChannel implements MessageChannel {
  readonly pid = undefined;
  readonly ended: Promise<SessionEnd>;
  readonly #options: HttpChannelOptions;
  readonly #sink: ChannelSink;
  readonly #exchanges = new Map<number, Exchange>();
  readonly #closing = new AbortController();
  #session: string | undefined;
  #version: string | undefined;
  #listener: Listener | undefined;
  #renewal: Promise<void> | undefined;
  #mustRenew = false;
  #resolveEnded: (end: SessionEnd) => void = () => {};

  constructor(options: HttpChannelOptions, sink: ChannelSink) {
    this.#options = options;
    this.#sink = sink;
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
  }

  async send(message: Outgoing): Promise<void> {
    if (message.kind === 'request' && message.id !== undefined) await this.#request(message, message.id);
    else await this.#notify(message);
  }

  release(id: number, answered: boolean): Delivery {
    const exchange = this.#exchanges.get(id);
    exchange?.release(answered);
    return exchange?.posted ? 'sent' : 'unsent';
  }

  useVersion(version: string): void {
    this.#version = version;
  }

  close(): Promise<SessionEnd> {
    if (!this.#closing.signal.aborted) void this.#close();
    return this.ended;
  }

  async #close(): Promise<void> {
    const end: SessionEnd = { reason: 'closed', message: 'the session was closed' };
    this.#closing.abort();
    this.#listener?.stop();
    this.#sink.down(end);
    for (const exchange of this.#exchanges.values()) exchange.release(false);
    if (this.#session !== undefined) {
      const init = { method: 'DELETE', headers: this.#headers(), signal: AbortSignal.timeout(DELETE_MS) };
      const response = await this.#fetch(init).catch(() => undefined);
      await response?.body?.cancel().catch(() => {});
    }
    await this.#listener?.done;
    await this.#options.dispatcher?.destroy();
    this.#resolveEnded(end);
  }

  async #request(message: Outgoing, id: number): Promise<void> {
    const { server, maxMessageBytes } = this.#options;
    const method = message.method ?? '';
    const exchange = new Exchange({
      server,
      id,
      method,
      maxMessageBytes,
      sink: this.#sink,
      reconnect: (from, signal) => this.#openStream(from, signal),
    });
    this.#exchanges.set(id, exchange);
    try {
      const isInitialize = method === 'initialize';
      if (isInitialize) this.#session = undefined;
      else await this.#renewed();
      let asked = this.#session;
      let response = await this.#post(message, exchange);
      if (!isInitialize && asked !== undefined && (await isSessionUnknown(response))) {
        // Such an answer says that nothing was executed: the one case in which a call is sent again.
        await this.#renew(asked);
        asked = this.#session;
        response = await this.#post(message, exchange);
      }
      if (!response.ok) await this.#refused(response, method, id);
      else {
        if (isInitialize) this.#session = this.#sessionOf(response);
        await exchange.deliver(response);
      }
    } catch (error) {
      throw connectionFailed(server, method, error);
    } finally {
      this.#exchanges.delete(id);
    }
  }

  async #post(message: Outgoing, exchange: Exchange): Promise<Response> {
    exchange.signal.throwIfAborted();
    const { method, json, expiresAt = Number.POSITIVE_INFINITY } = message;
    exchange.posted = true;
    const headers = { ...this.#headers(method === 'initialize'), ...message.headers };
    return withRetries(() => this.#fetch({ method: 'POST', headers, body: json, signal: exchange.signal }), {
      method,
      signal: exchange.signal,
      expiresAt,
    });
  }

  /** A status that is no success: a JSON-RPC error for this request where the body is one, else the status as an error. */
  async #refused(response: Response, method: string, id: number): Promise<void> {
    const { server } = this.#options;
    if (isJson(response) && response.status !== 401) {
      const { bytes, whole } = await readCapped(response.clone(), 64 * 1_024);
      const message = whole ? readMessage(bytes) : undefined;
      if (message?.kind === 'error' && message.id === id) {
        void response.body?.cancel().catch(() => {});
        this.#sink.message(bytes);
        return;
      }
    }
    throw await statusFailed(server, method, response);
  }

  async #notify(message: Outgoing): Promise<void> {
    const { server } = this.#options;
    const method = message.method ?? 'a response';
    // In the stateless revision closing the response stream says so.
    if (method === 'notifications/cancelled' && this.#version === STATELESS) return;
    const isInitialized = method === 'notifications/initialized';
    try {
      if (!isInitialized) await this.#renewed();
      const signal = AbortSignal.timeout(NOTIFY_MS);
      const response = await this.#fetch({
        method: 'POST',
        headers: this.#headers(),
        body: message.json,
        signal,
      });
      if (!response.ok) throw await statusFailed(server, method, response);
      await response.body?.cancel().catch(() => {});
    } catch (error) {
      throw connectionFailed(server, method, error);
    } finally {
      // Some servers answer the notification with an error and serve all the same.
      if (isInitialized) this.#listen();
    }
  }

  #listen(): void {
    this.#listener?.stop();
    if (this.#closing.signal.aborted) return;
    const { maxMessageBytes } = this.#options;
    this.#listener = new Listener({
      maxMessageBytes,
      sink: this.#sink,
      open: (from, signal) => this.#openStream(from, signal),
    });
  }

  #openStream(lastEventId: string | undefined, signal: AbortSignal): Promise<Response> {
    return this.#fetch({
      method: 'GET',
      headers: { ...this.#headers(), ...resumeHeaders(lastEventId), accept: 'text/event-stream' },
      signal,
    });
  }

  /** Waits for a renewal that runs, and begins one where the last one failed. */
  async #renewed(): Promise<void> {
    if (this.#renewal) await this.#renewal;
    else if (this.#mustRenew) await this.#renew(this.#session);
  }

  /** One new session for all whose request met the old one. */
  async #renew(lost: string | undefined): Promise<void> {
    if (!this.#renewal) {
      if (this.#session !== lost && !this.#mustRenew) return;
      const { server, logger } = this.#options;
      logger.info({ server }, 'the server forgot the session; beginning a new one');
      this.#mustRenew = true;
      this.#listener?.stop();
      this.#renewal = this.#sink.renew().finally(() => {
        this.#renewal = undefined;
      });
      this.#renewal.then(
        () => {
          this.#mustRenew = false;
        },
        () => {},
      );
    }
    await this.#renewal;
  }

  #sessionOf(response: Response): string | undefined {
    const id = response.headers.get('mcp-session-id');
    if (id === null) return undefined;
    if (id.length <= MAX_SESSION_ID && /^[\x21-\x7e]+$/.test(id)) return id;
    throw protocolBroken(
      this.#options.server,
      'initialize',
      'its session id has characters or a length that are not allowed',
    );
  }

  #headers(isInitialize = false): Record<string, string> {
    return {
      ...this.#options.headers,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...(isInitialize || this.#session === undefined ? {} : { 'mcp-session-id': this.#session }),
      ...(isInitialize || this.#version === undefined ? {} : { 'mcp-protocol-version': this.#version }),
    };
  }

  #fetch(init: RequestInit): Promise<Response> {
    const { server, fetch, url } = this.#options;
    return guardedFetch(server, fetch, url, init);
  }
}

function isJson(response: Response): boolean {
  return /^application\/(?:[\w.-]+\+)?json\b/i.test(response.headers.get('content-type') ?? '');
}

/** 404 is what the specification says; many servers say 400 with the SDK's code. Other statuses may follow real work. */
async function isSessionUnknown(response: Response): Promise<boolean> {
  if (response.status !== 404 && !(response.status === 400 && isJson(response))) return false;
  if (response.status === 404) {
    void response.body?.cancel().catch(() => {});
    return true;
  }
  const { bytes, whole } = await readCapped(response.clone(), 64 * 1_024);
  const message = whole ? readMessage(bytes) : undefined;
  return message?.kind === 'error' && message.error.code === SESSION_UNKNOWN;
}
