import { RuntimeError } from '../../core/errors.js';
import { deadline } from '../../lib/abort.js';
import { expectList, expectObject } from './answers.js';
import { type ByteBudget, unavailable } from './exchange.js';
import { type Ask, IndexLink } from './index-link.js';
import { LastGood, type Loaded } from './last-good.js';
import { collectPages } from './pages.js';
import { type CopyStorage, PersistedCopies } from './persisted-copies.js';
import { asObject } from './read.js';
import type { Freshness } from './types.js';

export interface IndexAccessOptions {
  /** `DISCOVERY_URL`, with or without `/api/mcp`. */
  readonly url: string;
  /** `DISCOVERY_API_KEY`. */
  readonly apiKey?: string | undefined;
  /** `DISCOVERY_ENCRYPTION_KEY`: a Fernet key. Sent over https and loopback alone. */
  readonly encryptionKey?: string | undefined;
  /** Keeps the last good lists over restarts. */
  readonly cache?: CopyStorage | undefined;
  /** For one read with all its pages and tries, ms. Default 10,000. */
  readonly timeoutMs?: number | undefined;
  /** For one write; adding a server waits until it was started and listed. Default 300,000. */
  readonly writeTimeoutMs?: number | undefined;
  /** For one read, decoded. Default 20 MiB. */
  readonly maxBytes?: number | undefined;
  /** Default 200. */
  readonly maxPages?: number | undefined;
  /** How long an answer needs no asking again, ms. Default 30,000. */
  readonly freshMs?: number | undefined;
  /** Repetitions of a read that failed. Default 3. */
  readonly retries?: number | undefined;
  /** Base of the pauses between tries, ms. Default 200. */
  readonly backoffMs?: number | undefined;
  readonly fetch?: typeof fetch | undefined;
  readonly now?: (() => number) | undefined;
  readonly random?: (() => number) | undefined;
}

export interface CallOptions {
  /** Ends the waiting of this caller. */
  readonly signal?: AbortSignal | undefined;
}

interface ReadPolicy {
  /** Instead of the client's own. */
  readonly freshMs?: number;
  /** No last good copy once the index refuses the key. */
  readonly endsWithKey?: boolean;
}

/** What one reading may use. */
interface Reading {
  readonly signal: AbortSignal;
  readonly budget: ByteBudget;
}

const PAGE_LIMIT = 100;
const MAX_BYTES = 20 * 1024 * 1024;
const KEPT_BYTES = 64 * 1024 * 1024;

/** Reading from and writing to one index, within limits, with last good copies; it does not know what is read. */
export class IndexAccess {
  /** The index as it may be shown. */
  readonly index: string;
  readonly #link: IndexLink;
  readonly #copies: LastGood;
  readonly #persisted: PersistedCopies | undefined;
  readonly #options: IndexAccessOptions;
  readonly #closing = new AbortController();

  constructor(options: IndexAccessOptions) {
    const now = options.now ?? Date.now;
    this.#options = options;
    this.#link = new IndexLink({
      url: options.url,
      apiKey: options.apiKey || undefined,
      encryptionKey: options.encryptionKey || undefined,
      fetch: options.fetch ?? fetch,
      now,
      random: options.random ?? Math.random,
      retries: options.retries ?? 3,
      backoffMs: options.backoffMs ?? 200,
    });
    this.index = this.#link.shown;
    this.#persisted = options.cache && new PersistedCopies(options.cache, this.index);
    this.#copies = new LastGood({ now, maxBytes: KEPT_BYTES, persisted: this.#persisted });
  }

  /** Many may wait for one reading, so it runs on the client's own time, not on a caller's signal. */
  read<T extends object>(
    key: string,
    { signal }: CallOptions,
    load: (reading: Reading, previous: T | undefined) => Promise<Omit<Loaded<T>, 'bytes'>>,
    policy: ReadPolicy = {},
  ): Promise<T & Freshness> {
    const maxBytes = this.#options.maxBytes ?? MAX_BYTES;
    return this.#copies.get<T>(key, {
      freshMs: policy.freshMs ?? this.#options.freshMs ?? 30_000,
      signal,
      load: async (previous) => {
        using limit = this.#limit(this.#options.timeoutMs ?? 10_000);
        const budget = { left: maxBytes };
        try {
          const loaded = await load(
            { signal: AbortSignal.any([limit.signal, this.#closing.signal]), budget },
            previous,
          );
          return { ...loaded, bytes: maxBytes - budget.left };
        } catch (error) {
          // What the index says is not there is not served from memory later either.
          const known = error instanceof RuntimeError ? error : undefined;
          const keyRefused = policy.endsWithKey === true && known?.data?.['kind'] === 'refused-key';
          const judged =
            known !== undefined && known.code !== 'INDEX_UNAVAILABLE' && !this.#closing.signal.aborted;
          if (keyRefused || judged) this.#copies.forget(key);
          throw error;
        }
      },
    });
  }

  /** The last good answer, without asking. `T` is what was read under this key. */
  recall<T extends object>(key: string): { value: T; at: number } | undefined {
    return this.#copies.peek(key) as { value: T; at: number } | undefined;
  }

  /** Sends once. */
  async write(
    ask: Pick<Ask, 'method' | 'path' | 'json' | 'form'>,
    { signal }: CallOptions,
    missing?: () => RuntimeError,
  ): Promise<Readonly<Record<string, unknown>>> {
    using limit = this.#limit(this.#options.writeTimeoutMs ?? 300_000);
    const signals = [limit.signal, this.#closing.signal, ...(signal ? [signal] : [])];
    const budget = { left: this.#options.maxBytes ?? MAX_BYTES };
    try {
      const told = await this.#link.ask({ ...ask, read: false, signal: AbortSignal.any(signals), budget });
      return expectObject(told, { index: this.index, missing });
    } finally {
      // Also after a failure: the index may have done it all the same.
      this.#copies.expire();
    }
  }

  /** The object of a successful answer, for use inside `read`. */
  async object(
    ask: Omit<Ask, 'read'>,
    missing?: () => RuntimeError,
  ): Promise<Readonly<Record<string, unknown>>> {
    return expectObject(await this.#link.ask({ ...ask, read: true }), { index: this.index, missing });
  }

  pages(
    path: readonly string[],
    field: 'servers' | 'tools',
    reading: Reading,
    missing?: () => RuntimeError,
  ): Promise<unknown[]> {
    return collectPages(
      async (offset) => {
        const answer = await this.object(
          { method: 'GET', path, query: { limit: PAGE_LIMIT, offset }, ...reading },
          missing,
        );
        return {
          entries: expectList(answer, field, this.index),
          offset: answer['offset'],
          limit: answer['limit'],
        };
      },
      {
        index: this.index,
        maxPages: this.#options.maxPages ?? 200,
        limit: PAGE_LIMIT,
        keyOf: (entry) => {
          const json = asObject(entry);
          return String(
            json?.['tool_name'] ?? json?.['name'] ?? json?.['server_name'] ?? JSON.stringify(entry),
          );
        },
      },
    );
  }

  forget(keys: readonly string[]): void {
    for (const key of keys) this.#copies.forget(key);
  }

  close(): void {
    this.#closing.abort(new RuntimeError('CANCELLED', 'The client of the index was closed.'));
    this.#persisted?.flush();
  }

  #limit(ms: number) {
    return deadline(ms, () =>
      unavailable(this.index, 'timeout', `did not answer within ${ms / 1000} s`, { retryable: true }),
    );
  }
}
