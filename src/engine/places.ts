import { Semaphore, Slot } from '../lib/semaphore.js';
import { IdleTimer } from './idle-timer.js';

/** Those who use a server: how many may at once, how many do, and since when nobody does. */
export class Places {
  readonly #slots: Semaphore;
  readonly #idle: IdleTimer;
  readonly #onFree: () => void;
  inUse = 0;
  /** Ms since the epoch. */
  lastUsedAt = 0;

  /** @param on `free`: the last one left; `idle`: nobody came for `idleMs` (0: never told). */
  constructor(limit: number, idleMs: number, on: { free: () => void; idle: () => void }) {
    this.#slots = new Semaphore(limit);
    this.#idle = new IdleTimer(idleMs, on.idle);
    this.#onFree = on.free;
  }

  /** Waits for a place; clients take turns. @returns the place, to be left by disposing of it. */
  async take(signal: AbortSignal, client: string): Promise<Disposable> {
    return this.#use(await this.#slots.acquire(signal, client));
  }

  /** The same where there is a place at once; else nothing. */
  takeNow(): Disposable | undefined {
    const slot = this.#slots.acquireNow();
    return slot && this.#use(slot);
  }

  /** The server is ready: from now on it may be idle. */
  open(): void {
    this.lastUsedAt = Date.now();
    if (this.inUse === 0) this.#idle.unused();
  }

  /** It is ready no more. */
  close(): void {
    this.#idle.stop();
  }

  #use(slot: Disposable): Disposable {
    this.inUse += 1;
    this.#idle.used();
    return new Slot(() => this.#left(slot));
  }

  #left(slot: Disposable): void {
    slot[Symbol.dispose]();
    this.inUse -= 1;
    this.lastUsedAt = Date.now();
    if (this.inUse > 0) return;
    this.#idle.unused();
    this.#onFree();
  }
}
