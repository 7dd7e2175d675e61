import { RuntimeError } from '../../core/errors.js';
import { untilAborted } from '../../lib/abort.js';
import { type Copy, isPersistable, type PersistedCopies } from './persisted-copies.js';
import type { Freshness } from './types.js';

export interface Loaded<T> {
  readonly value: T;
  readonly problems: readonly string[];
  /** What it took to read, as a measure of what it takes to keep. */
  readonly bytes: number;
}

interface LastGoodOptions {
  readonly now: () => number;
  readonly maxBytes: number;
  readonly persisted?: PersistedCopies | undefined;
}

interface Want<T extends object> {
  /** How long an answer needs no asking again, ms. */
  readonly freshMs: number;
  readonly load: (previous: T | undefined) => Promise<Loaded<T>>;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Answers by name: fresh ones without asking, one question for all who ask at once, and when the index is down the
 * last good copy. Who leaves stops waiting; the question goes on for the others.
 */
export class LastGood {
  readonly #options: LastGoodOptions;
  readonly #copies: Map<string, Copy>;
  readonly #expired = new Set<string>();
  readonly #running = new Map<string, Promise<object & Freshness>>();
  #bytes = 0;

  constructor(options: LastGoodOptions) {
    this.#options = options;
    this.#copies = options.persisted?.load() ?? new Map();
    // What another run has seen is a copy to fall back on, and no answer of now.
    for (const [key, copy] of this.#copies) {
      this.#expired.add(key);
      this.#bytes += copy.bytes;
    }
  }

  async get<T extends object>(key: string, want: Want<T>): Promise<T & Freshness> {
    want.signal?.throwIfAborted();
    const copy = this.#copies.get(key);
    if (copy && !this.#expired.has(key) && this.#options.now() - copy.at < want.freshMs)
      return answer(copy) as T & Freshness;
    let running = this.#running.get(key);
    if (!running) {
      running = this.#load(key, want).finally(() => this.#running.delete(key));
      this.#running.set(key, running);
    }
    return (await (want.signal ? untilAborted(running, want.signal) : running)) as T & Freshness;
  }

  /** The copy that there is, however old. */
  peek(key: string): Copy | undefined {
    return this.#copies.get(key);
  }

  /** Asks again next time, but keeps the copies for when the index is down. */
  expire(): void {
    for (const key of this.#copies.keys()) this.#expired.add(key);
  }

  forget(key: string): void {
    this.#bytes -= this.#copies.get(key)?.bytes ?? 0;
    if (this.#copies.delete(key)) this.#options.persisted?.changed(this.#copies);
  }

  async #load<T extends object>(key: string, want: Want<T>): Promise<object & Freshness> {
    const previous = this.#copies.get(key);
    try {
      const { value, problems, bytes } = await want.load(previous?.value as T | undefined);
      const copy: Copy = { value, problems, bytes, at: this.#options.now() };
      this.#keep(key, copy);
      if (isPersistable(key)) this.#options.persisted?.changed(this.#copies);
      return answer(copy);
    } catch (error) {
      // Looked up again: whoever loads may have forgotten it meanwhile, because it must not be used any more.
      const copy = this.#copies.get(key);
      if (!copy || !(error instanceof RuntimeError) || error.code !== 'INDEX_UNAVAILABLE') throw error;
      return answer(copy, error.message);
    }
  }

  #keep(key: string, copy: Copy): void {
    this.#bytes -= this.#copies.get(key)?.bytes ?? 0;
    this.#copies.delete(key);
    this.#copies.set(key, copy);
    this.#expired.delete(key);
    this.#bytes += copy.bytes;
    for (const [oldest, { bytes }] of this.#copies) {
      if (this.#bytes <= this.#options.maxBytes || oldest === key) return;
      this.#copies.delete(oldest);
      this.#bytes -= bytes;
    }
  }
}

function answer(copy: Copy, why?: string): object & Freshness {
  const problems = why === undefined ? copy.problems : [why, ...copy.problems];
  return { ...copy.value, stale: why !== undefined, since: copy.at, problems };
}
