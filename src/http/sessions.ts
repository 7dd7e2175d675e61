export interface SessionLimits {
  /** Sessions at once. */
  readonly max: number;
  /** Ms without a request or an open stream after which a session ends. */
  readonly idleMs: number;
}

export interface Closable {
  close(): Promise<void>;
  /** Whether something waits for an answer. */
  readonly busy: boolean;
}

interface Entry<T> {
  readonly principal: string;
  readonly value: T;
  lastUsed: number;
  /** Responses that are being written: an open stream is use. */
  open: number;
}

/** Anything with the events of Node's response; a seam for tests without sockets. */
interface Outgoing {
  once(event: 'close', listener: () => void): unknown;
}

/** A session that was used within this time is not given up for a newcomer. */
const RECENT_MS = 60_000;

/** What clients keep between requests. Each belongs to its principal; the number is capped, idle ones end. */
export class Sessions<T extends Closable> {
  readonly #limits: SessionLimits;
  readonly #now: () => number;
  readonly #entries = new Map<string, Entry<T>>();
  readonly #timer: NodeJS.Timeout;

  constructor(limits: SessionLimits, now: () => number = () => performance.now()) {
    this.#limits = limits;
    this.#now = now;
    this.#timer = setInterval(() => this.sweep(), Math.min(Math.max(limits.idleMs / 4, 50), 30_000));
    this.#timer.unref();
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Whether one more may be added; makes room by ending the one that was unused for longest, if that is long enough. */
  hasRoom(): boolean {
    if (this.#entries.size < this.#limits.max) return true;
    let oldest: [string, Entry<T>] | undefined;
    for (const pair of this.#entries) {
      const [, entry] = pair;
      if (isIdle(entry) && entry.lastUsed < (oldest?.[1].lastUsed ?? this.#now() - RECENT_MS)) oldest = pair;
    }
    if (!oldest) return false;
    this.remove(oldest[0]);
    return true;
  }

  add(id: string, principal: string, value: T): void {
    this.#entries.set(id, { principal, value, lastUsed: this.#now(), open: 0 });
  }

  /** The session, if it is this principal's. Counts as use for as long as `outgoing` is being written. */
  find(id: string, principal: string, outgoing: Outgoing | undefined): T | undefined {
    const entry = this.#entries.get(id);
    if (entry?.principal !== principal) return undefined;
    entry.lastUsed = this.#now();
    if (outgoing) {
      entry.open += 1;
      outgoing.once('close', () => {
        entry.open -= 1;
        entry.lastUsed = this.#now();
      });
    }
    return entry.value;
  }

  /** Forgets a session and ends it. */
  remove(id: string): void {
    const entry = this.#entries.get(id);
    this.#entries.delete(id);
    void entry?.value.close();
  }

  /** Ends what was idle too long. */
  sweep(): void {
    const before = this.#now() - this.#limits.idleMs;
    for (const [id, entry] of this.#entries) {
      if (isIdle(entry) && entry.lastUsed < before) this.remove(id);
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    const values = [...this.#entries.values()].map((entry) => entry.value);
    this.#entries.clear();
    await Promise.allSettled(values.map((value) => value.close()));
  }
}

const isIdle = (entry: Entry<Closable>) => entry.open === 0 && !entry.value.busy;
