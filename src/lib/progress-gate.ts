import type { Progress } from '../core/upstream.js';

const WINDOW_MS = 1_000;
const PER_WINDOW = 10;

/**
 * Lets at most ten progress reports a second through, and always the last one. MCP wants progress to increase with
 * each report, so what stands still, goes backwards or carries no number is dropped.
 */
export class ProgressGate {
  readonly #deliver: (progress: Progress) => void;
  #last = Number.NEGATIVE_INFINITY;
  /** When the latest were let through; a few steps in a row all arrive. */
  #delivered: readonly number[] = [];
  #held: Progress | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(deliver: (progress: Progress) => void) {
    this.#deliver = deliver;
  }

  report(progress: Progress): void {
    if (!Number.isFinite(progress.progress) || progress.progress <= this.#last) return;
    this.#last = progress.progress;
    this.#held = progress;
    const oldest = this.#delivered.length < PER_WINDOW ? undefined : this.#delivered[0];
    const wait = oldest === undefined ? 0 : oldest + WINDOW_MS - performance.now();
    if (wait <= 0) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), wait);
  }

  /** The call is over: what is held back goes out now, and nothing after it. */
  close(): void {
    this.#flush();
    this.#last = Number.POSITIVE_INFINITY;
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const held = this.#held;
    this.#held = undefined;
    if (!held) return;
    this.#delivered = [...this.#delivered.slice(1 - PER_WINDOW), performance.now()];
    this.#deliver(held);
  }
}
