/** What one asker may still do. */
interface Bucket {
  left: number;
  /** performance.now() ms. */
  at: number;
}

const MAX_KEYS = 10_000;

/** So many requests a minute for each key; of what was not used up to ten seconds' worth may come at once. */
export class RateLimit {
  readonly #perMs: number;
  readonly #most: number;
  readonly #now: () => number;
  /** The longest unused first. */
  readonly #buckets = new Map<string, Bucket>();

  constructor(perMinute: number, now: () => number = () => performance.now()) {
    this.#perMs = perMinute / 60_000;
    this.#most = Math.max(1, perMinute / 6);
    this.#now = now;
  }

  /** Counts one request. @returns 0 when it may be made, else after how many whole seconds one may. */
  take(key: string): number {
    const now = this.#now();
    const bucket = this.#buckets.get(key) ?? { left: this.#most, at: now };
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > MAX_KEYS) this.#buckets.delete(this.#buckets.keys().next().value ?? '');
    bucket.left = Math.min(this.#most, bucket.left + (now - bucket.at) * this.#perMs);
    bucket.at = now;
    if (bucket.left < 1) return Math.ceil((1 - bucket.left) / this.#perMs / 1_000);
    bucket.left -= 1;
    return 0;
  }
}
