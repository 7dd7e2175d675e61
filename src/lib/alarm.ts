/**
 * One timer for many deadlines, as there is one with every call: set for the earliest, it looks when it rings. A timer
 * for each, set and taken back, costs more than what it guards. It keeps no process alive.
 */
export class Alarm {
  readonly #now: () => number;
  readonly #ring: () => number;
  #timer: NodeJS.Timeout | undefined;
  #due = Number.POSITIVE_INFINITY;

  /**
   * @param ring ends what is over. @returns when to ring next, in ms of `now`; Infinity: not before `by` is called.
   */
  constructor(now: () => number, ring: () => number) {
    this.#now = now;
    this.#ring = ring;
  }

  /** Rings then, or before. */
  by(due: number): void {
    if (due >= this.#due) return;
    clearTimeout(this.#timer);
    this.#due = due;
    // Node takes a longer delay for 1 ms.
    const delay = Math.min(Math.max(due - this.#now(), 0), 2 ** 31 - 1);
    this.#timer = setTimeout(() => {
      this.#due = Number.POSITIVE_INFINITY;
      this.by(this.#ring());
    }, delay);
    this.#timer.unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
