/** So long may one piece of work hold the event loop before others get a turn, ms. */
const HOLD_MS = 4;

/** Lets long work on one thing give the event loop a turn now and then, so that nobody waits for what is not his. */
export class Breather {
  #since = performance.now();

  /** Whether it is time for `pause`; cheap enough to be asked every few microseconds. */
  get isDue(): boolean {
    return performance.now() - this.#since >= HOLD_MS;
  }

  /** Resolves after everything that waits had its turn. */
  async pause(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.#since = performance.now();
  }
}
