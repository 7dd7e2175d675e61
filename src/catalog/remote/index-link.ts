import { isIP } from 'node:net';
import { RuntimeError } from '../../core/errors.js';
import { sleep } from '../../lib/abort.js';
import { CircuitBreaker } from '../../lib/circuit-breaker.js';
import { type ByteBudget, exchange, type HttpAnswer, unavailable } from './exchange.js';
import { asObject, quoted } from './read.js';

interface IndexLinkOptions {
  readonly url: string;
  readonly apiKey?: string | undefined;
  readonly encryptionKey?: string | undefined;
  readonly fetch: typeof fetch;
  readonly now: () => number;
  /** 0..1, for jitter. */
  readonly random: () => number;
  /** Repetitions of a read after the first try. */
  readonly retries: number;
  /** Base of the pauses between tries, ms. */
  readonly backoffMs: number;
}

export interface Ask {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Segments after `/api/mcp`, encoded here. */
  readonly path: readonly string[];
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly json?: unknown;
  readonly form?: FormData;
  /** A read may be repeated, a write never. */
  readonly read: boolean;
  readonly withEncryptionKey?: boolean;
  readonly signal: AbortSignal;
  readonly budget: ByteBudget;
}

/** The status of an answer that is no success, for the caller to give a meaning to. */
export interface Told {
  readonly status: number;
  readonly json: unknown;
}

/** A longer wish than this ends the tries; the circuit breaker then waits. */
const MAX_RETRY_AFTER_MS = 2_000;
const MAX_ETAGS = 256;
const RETRIED = new Set([408, 425, 429, 500, 502, 503, 504]);

/** The wire to one index: addresses, keys, retries, circuit breaker, ETags. It knows nothing of servers and tools. */
export class IndexLink {
  /** The index as it may be shown: no key, no query. */
  readonly shown: string;
  readonly #base: URL;
  readonly #options: IndexLinkOptions;
  readonly #breaker: CircuitBreaker;
  readonly #etags = new Map<string, { etag: string; json: unknown }>();

  constructor(options: IndexLinkOptions) {
    this.#options = options;
    this.#base = baseUrl(options.url);
    this.shown = `${this.#base.origin}${this.#base.pathname.replace(/\/api\/mcp$/, '')}`;
    this.#breaker = new CircuitBreaker({ now: options.now });
    for (const [name, key] of [
      ['DISCOVERY_API_KEY', options.apiKey],
      ['DISCOVERY_ENCRYPTION_KEY', options.encryptionKey],
    ]) {
      if (key !== undefined && !/^[\x21-\x7e]+$/.test(key)) {
        throw new RuntimeError('CONFIG_INVALID', `${name} holds characters that no key has.`, {
          hint: `Set ${name} again, without spaces or line ends.`,
        });
      }
    }
  }

  /** @throws RuntimeError INDEX_UNAVAILABLE, or the signal's reason. A 4xx about the request itself is given back. */
  async ask(ask: Ask): Promise<Told> {
    const admission = this.#breaker.enter();
    if (admission.kind === 'wait') {
      throw unavailable(
        this.shown,
        'paused',
        `failed before and is not asked again for ${Math.ceil(admission.ms / 1000)} s`,
        { retryable: true },
      );
    }
    const tries = ask.read && admission.kind === 'go' ? this.#options.retries : 0;
    try {
      const told = await this.#askRepeatedly(ask, tries);
      this.#breaker.succeed();
      return told;
    } catch (error) {
      this.#count(error);
      throw error;
    }
  }

  /** A refused key is an answer, and so is a caller who left; neither says that the index is down. */
  #count(error: unknown): void {
    const data = error instanceof RuntimeError && error.code === 'INDEX_UNAVAILABLE' ? error.data : undefined;
    if (data?.['kind'] === 'refused-key') this.#breaker.succeed();
    else if (data) this.#breaker.fail(Number(data?.['retryAfterMs'] ?? 0));
    else this.#breaker.withdraw();
  }

  async #askRepeatedly(ask: Ask, tries: number): Promise<Told> {
    for (let done = 0; ; done++) {
      try {
        return await this.#askOnce(ask);
      } catch (error) {
        if (!(error instanceof RuntimeError) || !error.retryable || ask.signal.aborted || done >= tries)
          throw error;
        const wished = error.data?.['retryAfterMs'];
        if (typeof wished === 'number' && wished > MAX_RETRY_AFTER_MS) throw error;
        // Full jitter: clients that failed together do not come back together.
        const pause = this.#options.backoffMs * 2 ** done * (0.5 + this.#options.random());
        await sleep(Math.max(pause, typeof wished === 'number' ? wished : 0), { signal: ask.signal });
      }
    }
  }

  async #askOnce(ask: Ask): Promise<Told> {
    const url = this.#address(ask);
    const known = ask.method === 'GET' ? this.#etags.get(url.href) : undefined;
    const answer = await exchange({
      index: this.shown,
      url,
      method: ask.method,
      headers: this.#headers(ask, url, known?.etag),
      body: ask.form ?? (ask.json === undefined ? undefined : JSON.stringify(ask.json)),
      signal: ask.signal,
      budget: ask.budget,
      fetch: this.#options.fetch,
    });
    if (answer.status === 304 && known) return { status: 200, json: known.json };
    const json = this.#judge(answer, ask.read);
    this.#remember(ask, url, answer, json);
    return { status: answer.status, json };
  }

  #judge(answer: HttpAnswer, read: boolean): unknown {
    const { status } = answer;
    const json = parse(answer.text);
    const detail = detailOf(json);
    const said = detail === undefined ? '' : `: ${this.#withoutKeys(quoted(detail, 300))}`;
    if (status === 401 || status === 403) {
      throw unavailable(this.shown, 'refused-key', `refuses access (${status})${said}`, {
        status,
        hint: 'Check DISCOVERY_API_KEY and DISCOVERY_ENCRYPTION_KEY.',
      });
    }
    // A write that fails with a reason is about what was to be written, not about the index.
    if (!read && status >= 500 && typeof detail === 'string') return json;
    if (RETRIED.has(status) || status >= 500) {
      const retryAfterMs = retryAfter(answer.headers.get('retry-after'), this.#options.now());
      throw unavailable(this.shown, 'status', `answers with ${status}${said}`, {
        status,
        retryable: RETRIED.has(status),
        ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
      });
    }
    if (json === undefined || status < 200) {
      const kind = /^\s*</.test(answer.text) ? 'a web page' : answer.text === '' ? 'nothing' : 'something';
      throw unavailable(this.shown, 'garbage', `answers with ${kind} that is not JSON (status ${status})`, {
        status,
      });
    }
    if (status >= 300 && detail === undefined)
      throw unavailable(this.shown, 'garbage', `answers with ${status} and says not why`, { status });
    return json;
  }

  /** An index may quote in its refusal what it was sent. */
  #withoutKeys(text: string): string {
    const keys = [this.#options.apiKey, this.#options.encryptionKey].filter(
      (key) => key !== undefined && key !== '',
    );
    return keys.reduce<string>((left, key) => left.replaceAll(key as string, '[key]'), text);
  }

  #remember(ask: Ask, url: URL, answer: HttpAnswer, json: unknown): void {
    const etag = answer.headers.get('etag');
    const store =
      ask.method === 'GET' &&
      answer.status === 200 &&
      !/no-store/i.test(answer.headers.get('cache-control') ?? '');
    this.#etags.delete(url.href);
    if (etag === null || !store || ask.withEncryptionKey) return;
    this.#etags.set(url.href, { etag, json });
    const oldest = this.#etags.keys().next();
    if (this.#etags.size > MAX_ETAGS && !oldest.done) this.#etags.delete(oldest.value);
  }

  #address(ask: Ask): URL {
    const url = new URL(this.#base);
    url.pathname = [this.#base.pathname, ...ask.path.map(encodeURIComponent)].join('/');
    for (const [name, value] of Object.entries(ask.query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    return url;
  }

  #headers(ask: Ask, url: URL, etag: string | undefined): Record<string, string> {
    const { apiKey, encryptionKey } = this.#options;
    const headers: Record<string, string> = { accept: 'application/json' };
    if (apiKey !== undefined) headers['authorization'] = `Bearer ${apiKey}`;
    if (ask.json !== undefined) headers['content-type'] = 'application/json';
    if (etag !== undefined) headers['if-none-match'] = etag;
    if (ask.withEncryptionKey && encryptionKey !== undefined) {
      if (!keepsSecrets(url)) {
        throw new RuntimeError(
          'CONFIG_INVALID',
          `DISCOVERY_ENCRYPTION_KEY is not sent to ${this.shown}: it would travel in the clear.`,
          {
            hint: 'Use an https address in DISCOVERY_URL, or reach the index over loopback.',
          },
        );
      }
      headers['x-encryption-key'] = encryptionKey;
    }
    return headers;
  }
}

/** Whether nobody on the way can read along: https, or a peer on this machine. */
function keepsSecrets(url: URL): boolean {
  const { hostname } = url;
  return (
    url.protocol === 'https:' ||
    hostname === 'localhost' ||
    hostname === '[::1]' ||
    (isIP(hostname) === 4 && hostname.startsWith('127.'))
  );
}

function baseUrl(text: string): URL {
  const refuse = (why: string) =>
    new RuntimeError('CONFIG_INVALID', `DISCOVERY_URL ${why}.`, {
      hint: 'Set it to the address of an mcp_index, for example http://localhost:8000.',
    });
  if (!URL.canParse(text)) throw refuse('is not a URL');
  const url = new URL(text);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw refuse('is neither http nor https');
  if (url.username !== '' || url.password !== '')
    throw refuse('holds a user name or password; keys belong into DISCOVERY_API_KEY');
  url.search = '';
  url.hash = '';
  url.pathname = `${url.pathname.replace(/\/+$/, '').replace(/\/api\/mcp$/, '')}/api/mcp`;
  return url;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** FastAPI's `detail`: a sentence, or a list of what is wrong with the request. */
export function detailOf(json: unknown): unknown {
  return asObject(json)?.['detail'];
}

/** Seconds or a date; undefined when there is none that makes sense. */
function retryAfter(header: string | null, now: number): number | undefined {
  if (header === null) return undefined;
  const ms = /^\d+$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - now;
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}
