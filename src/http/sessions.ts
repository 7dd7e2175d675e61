import { type Access, ownerOf } from './access/access.js';

export interface SessionLimits {
  /** Sessions at once. */
  readonly max: number;
  /** Of one holder of a token at once, so that none takes all of them. */
  readonly maxPerOwner: number;
  /** Ms without a request or an open stream after which a session ends. */
  readonly idleMs: number;
}

export interface Closable {
  close(): Promise<void>;
  /** Whether something waits for an answer. */
  readonly busy: boolean;
}

interface Entry<T> {
  /** Of its latest request. */
  access: Access;
  readonly value: T;
  lastUsed: number;
  /** Responses that are being written: an open stream is use. */
  open: number;
}

/** Anything with the events of Node's response; a seam for tests without sockets. */
interface Outgoing {
  /** It is closed already, and says so no more. */
  readonly destroyed?: boolean;
  on(event: 'close', listener: () => void): unknown;
}

/** A session that was used within this time is not given up for a newcomer. */
const RECENT_MS = 60_000;
/** A token that was revoked or has expired ends the sessions of its holder within this time. */
const REVOKED_MS = 1_000;
/** Who asks at this machine without a token: one principal, but often many programs. */
const LOCAL = 'local';

/** What clients keep between requests. Each belongs to whoever began it; the number is capped, idle ones end. */
export class Sessions<T extends Closable> {
  readonly #limits: SessionLimits;
  readonly #now: () => number;
  readonly #entries = new Map<string, Entry<T>>();
  readonly #timers: readonly NodeJS.Timeout[];

  constructor(limits: SessionLimits, now: () => number = () => performance.now()) {
    this.#limits = limits;
    this.#now = now;
    this.#timers = [
      setInterval(() => this.sweep(), Math.min(Math.max(limits.idleMs / 4, 50), 30_000)),
      setInterval(() => void this.#endRevoked(), REVOKED_MS),
    ];
    for (const timer of this.#timers) timer.unref();
  }

  get size(): number {
    return this.#entries.size;
  }

  /**
   * Whether this holder may add one more; makes room by ending the one that was unused for longest, if that is long
   * enough.
   */
  hasRoom(access: Access): boolean {
    const { max, maxPerOwner } = this.#limits;
    const { principal } = access;
    const isOwn = (entry: Entry<T>) => entry.access.principal === principal;
    if (principal !== LOCAL && this.#count(isOwn) >= maxPerOwner) return this.#giveUp(isOwn);
    return this.#entries.size < max || this.#giveUp(() => true);
  }

  add(id: string, access: Access, value: T): void {
    this.#entries.set(id, { access, value, lastUsed: this.#now(), open: 0 });
  }

  /** The session, if it is this holder's. Counts as use for as long as `outgoing` is being written. */
  find(id: string, access: Access, outgoing: Outgoing | undefined): T | undefined {
    const entry = this.#entries.get(id);
    if (!entry || ownerOf(entry.access) !== ownerOf(access)) return undefined;
    entry.access = access;
    entry.lastUsed = this.#now();
    if (outgoing && outgoing.destroyed !== true) {
      entry.open += 1;
      // It comes once.
      outgoing.on('close', () => {
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
    for (const timer of this.#timers) clearInterval(timer);
    const values = [...this.#entries.values()].map((entry) => entry.value);
    this.#entries.clear();
    await Promise.allSettled(values.map((value) => value.close()));
  }

  #count(counts: (entry: Entry<T>) => boolean): number {
    let count = 0;
    for (const entry of this.#entries.values()) if (counts(entry)) count += 1;
    return count;
  }

  /** @returns whether one of these was unused for long enough to end. */
  #giveUp(may: (entry: Entry<T>) => boolean): boolean {
    let oldest: [string, Entry<T>] | undefined;
    for (const pair of this.#entries) {
      const [, entry] = pair;
      const isOlder = entry.lastUsed < (oldest?.[1].lastUsed ?? this.#now() - RECENT_MS);
      if (may(entry) && isIdle(entry) && isOlder) oldest = pair;
    }
    if (!oldest) return false;
    this.remove(oldest[0]);
    return true;
  }

  async #endRevoked(): Promise<void> {
    for (const [id, { access }] of this.#entries) {
      if (access.isValid && !(await access.isValid())) this.remove(id);
    }
  }
}

const isIdle = (entry: Entry<Closable>) => entry.open === 0 && !entry.value.busy;
