/** Lets `limit` holders in at once, the rest in the order they came. */
export class Semaphore {
  readonly limit: number;
  #free: number;
  readonly #waiting: { enter: () => void; leave: () => void }[] = [];

  constructor(limit: number) {
    if (!(limit >= 1)) throw new RangeError(`limit must be at least 1, not ${limit}`);
    this.limit = limit;
    this.#free = limit;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** @returns the release, to be called once. Rejects with the signal's reason when aborted while waiting. */
  async acquire(signal?: AbortSignal): Promise<Disposable> {
    signal?.throwIfAborted();
    if (this.#free > 0) this.#free -= 1;
    else await this.#wait(signal);
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (!held) return;
        held = false;
        const next = this.#waiting.shift();
        if (next) next.enter();
        else this.#free += 1;
      },
    };
  }

  #wait(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const place = {
        enter: () => {
          place.leave();
          resolve();
        },
        leave: () => signal?.removeEventListener('abort', onAbort),
      };
      const onAbort = () => {
        const at = this.#waiting.indexOf(place);
        if (at >= 0) this.#waiting.splice(at, 1);
        place.leave();
        reject(signal?.reason);
      };
      this.#waiting.push(place);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }
}
