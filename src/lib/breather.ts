/** So long may one piece of work hold the event loop before others get a turn, ms. */
const HOLD_MS = 2;

/** Lets long work on one thing give the event loop a turn now and then, so that nobody waits for what is not his. */
export class Breather {
  #since = performance.now();

  /** Whether it is time for `pause`; cheap enough to be asked every few microseconds. */
  get isDue(): boolean {
    return performance.now() - this.#since >= HOLD_MS;
  }

  /**
   * Resolves after everything that waits had its turn.
   * @param unref whether the process may end meanwhile.
   */
  async pause({ unref = false } = {}): Promise<void> {
    // An immediate without a reference waits for the loop to be woken by something else; a timer wakes it.
    await new Promise((resolve) => (unref ? setTimeout(resolve, 1).unref() : setImmediate(resolve)));
    this.#since = performance.now();
  }
}
