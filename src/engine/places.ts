import { once } from '../lib/once.js';
import { Semaphore } from '../lib/semaphore.js';
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

  /** Waits for a place; clients take turns. @returns how to leave it, to be called once or more. */
  async take(signal: AbortSignal, client: string): Promise<() => void> {
    return this.#use(await this.#slots.acquire(signal, client));
  }

  /** The same where there is a place at once; else nothing. */
  takeNow(): (() => void) | undefined {
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

  #use(slot: Disposable): () => void {
    this.inUse += 1;
    this.#idle.used();
    return once(() => {
      slot[Symbol.dispose]();
      this.inUse -= 1;
      this.lastUsedAt = Date.now();
      if (this.inUse > 0) return;
      this.#idle.unused();
      this.#onFree();
    });
  }
}
