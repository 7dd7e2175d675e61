import type { Progress } from '../core/upstream.js';

const WINDOW_MS = 1_000;
const PER_WINDOW = 10;

/**
 * Lets at most ten progress reports a second through, and always the last one. Reports that go backwards or carry no
 * number are dropped.
 */
export class ProgressGate {
  readonly #deliver: (progress: Progress) => void;
  readonly #now: () => number;
  #last = Number.NEGATIVE_INFINITY;
  /** When the latest were let through; a few steps in a row all arrive. */
  #delivered: readonly number[] = [];
  #held: Progress | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(deliver: (progress: Progress) => void, now: () => number = () => performance.now()) {
    this.#deliver = deliver;
    this.#now = now;
  }

  /** @param params of a `notifications/progress`, not yet trusted. */
  report(params: Readonly<Record<string, unknown>>): void {
    const { progress, total, message } = params;
    if (typeof progress !== 'number' || !(progress >= this.#last)) return;
    this.#last = progress;
    this.#held = {
      progress,
      ...(typeof total === 'number' ? { total } : {}),
      ...(typeof message === 'string' ? { message } : {}),
    };
    const oldest = this.#delivered.length < PER_WINDOW ? undefined : this.#delivered[0];
    const wait = oldest === undefined ? 0 : oldest + WINDOW_MS - this.#now();
    if (wait <= 0) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), wait);
  }

  /** The call is over: what is held back goes out now. */
  close(): void {
    if (this.#held) this.#flush();
    clearTimeout(this.#timer);
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const held = this.#held;
    this.#held = undefined;
    if (!held) return;
    this.#delivered = [...this.#delivered.slice(1 - PER_WINDOW), this.#now()];
    try {
      this.#deliver(held);
    } catch {
      // A listener's fault is not the call's.
    }
  }
}
