/**
 * Rings when something was unused for so long. A timer set anew for each of thousands of uses would cost more than the
 * use: this one is set once, and looks when it rings. It keeps no process alive.
 */
export class IdleTimer {
  readonly #ms: number;
  readonly #ring: () => void;
  #timer: NodeJS.Timeout | undefined;
  #unusedSince: number | undefined;

  /** @param ms 0 for never. */
  constructor(ms: number, ring: () => void) {
    this.#ms = ms;
    this.#ring = ring;
  }

  used(): void {
    this.#unusedSince = undefined;
  }

  /** From now on the time counts. */
  unused(): void {
    this.#unusedSince = performance.now();
    if (this.#timer === undefined && this.#ms > 0) this.#set(this.#ms);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#unusedSince = undefined;
  }

  #set(ms: number): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#unusedSince === undefined) return;
      const left = this.#unusedSince + this.#ms - performance.now();
      // Timers ring up to a millisecond early.
      if (left > 1) this.#set(left);
      else this.#ring();
    }, ms);
    this.#timer.unref();
  }
}
