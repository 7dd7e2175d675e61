interface Place {
  readonly enter: () => void;
}

/**
 * A right that is given back once, however often it is disposed of. A class, since several are made with every call and
 * a literal with a symbol for a key is slow.
 */
export class Slot implements Disposable {
  #leave: (() => void) | undefined;

  constructor(leave: () => void) {
    this.#leave = leave;
  }

  [Symbol.dispose](): void {
    const leave = this.#leave;
    this.#leave = undefined;
    leave?.();
  }
}

/**
 * Lets `limit` holders in at once. The rest wait in one queue for each key, and the queues take turns: who asks a
 * thousand times does not keep out who asks once. With one key it is first come, first served.
 */
export class Semaphore {
  readonly limit: number;
  #free: number;
  /** The queue whose turn is next stands first. */
  readonly #queues = new Map<string, Place[]>();

  constructor(limit: number) {
    if (!(limit >= 1)) throw new RangeError(`limit must be at least 1, not ${limit}`);
    this.limit = limit;
    this.#free = limit;
  }

  get waiting(): number {
    let count = 0;
    for (const queue of this.#queues.values()) count += queue.length;
    return count;
  }

  /** The release, to be called once, where nobody has to wait; else nothing. */
  acquireNow(): Disposable | undefined {
    if (this.#free === 0) return undefined;
    this.#free -= 1;
    return new Slot(this.#release);
  }

  /** @returns the release, to be called once. Rejects with the signal's reason when aborted while waiting. */
  async acquire(signal?: AbortSignal, key = ''): Promise<Disposable> {
    signal?.throwIfAborted();
    if (this.#free > 0) this.#free -= 1;
    else await this.#wait(key, signal);
    return new Slot(this.#release);
  }

  readonly #release = (): void => {
    const next = this.#next();
    if (next) next.enter();
    else this.#free += 1;
  };

  #next(): Place | undefined {
    for (const [key, queue] of this.#queues) {
      const place = queue.shift();
      this.#queues.delete(key);
      if (queue.length > 0) this.#queues.set(key, queue);
      return place;
    }
    return undefined;
  }

  #wait(key: string, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#leave(key, place);
        reject(signal?.reason);
      };
      const place: Place = {
        enter: () => {
          signal?.removeEventListener('abort', onAbort);
          resolve();
        },
      };
      const queue = this.#queues.get(key);
      if (queue) queue.push(place);
      else this.#queues.set(key, [place]);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  #leave(key: string, place: Place): void {
    const queue = this.#queues.get(key);
    const at = queue?.indexOf(place) ?? -1;
    if (at >= 0) queue?.splice(at, 1);
    if (queue?.length === 0) this.#queues.delete(key);
  }
}
