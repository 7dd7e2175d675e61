import type { UpstreamSession } from '../core/upstream.js';

/** Servers that announce changes in a burst are asked at most once in this time, ms (microsoft/aspire#14494). */
const QUIET_MS = 1_000;
/** Who announces again and again what is no change is asked more and more seldom, up to this, ms. */
const MAX_QUIET_MS = 60_000;
/** After a list that took long it is quiet for so many times as long: a server may not keep us busy with its lists. */
const QUIET_SHARE = 5;

/**
 * When the tools of a session are listed again: once for a burst of announcements, a second after its first; never
 * two lists at a time; and ever more seldom while the lists bring nothing new, as some servers announce a change each
 * time they are asked.
 */
export class Relisting {
  readonly #list: (session: UpstreamSession) => Promise<boolean>;
  readonly #onError: (error: unknown) => void;
  #quietMs = QUIET_MS;
  #timer: NodeJS.Timeout | undefined;
  #listedAt = Number.NEGATIVE_INFINITY;
  #busy = false;
  #again = false;
  #over = false;

  /** @param list gives whether what is known changed. */
  constructor(
    session: UpstreamSession,
    list: (session: UpstreamSession) => Promise<boolean>,
    onError: (error: unknown) => void,
  ) {
    this.#list = list;
    this.#onError = onError;
    const unsubscribe = session.subscribe((event) => {
      if (event.type === 'tools-changed') this.#announced(session);
    });
    void session.ended.then(() => {
      unsubscribe();
      this.stop();
    });
  }

  stop(): void {
    this.#over = true;
    clearTimeout(this.#timer);
  }

  #announced(session: UpstreamSession): void {
    if (this.#over || this.#timer) return;
    if (this.#busy) {
      this.#again = true;
      return;
    }
    // An announcement after a long silence is taken at its word.
    if (performance.now() - this.#listedAt > MAX_QUIET_MS) this.#quietMs = QUIET_MS;
    const wait = Math.max(QUIET_MS, this.#listedAt + this.#quietMs - performance.now());
    this.#timer = setTimeout(() => void this.#run(session), wait);
    this.#timer.unref();
  }

  async #run(session: UpstreamSession): Promise<void> {
    this.#timer = undefined;
    this.#busy = true;
    this.#again = false;
    const begun = performance.now();
    try {
      const changed = await this.#list(session);
      const quietMs = changed ? (performance.now() - begun) * QUIET_SHARE : this.#quietMs * 2;
      this.#quietMs = Math.min(Math.max(quietMs, QUIET_MS), MAX_QUIET_MS);
    } catch (error) {
      this.#onError(error);
      this.#quietMs = Math.min(this.#quietMs * 2, MAX_QUIET_MS);
    }
    this.#listedAt = performance.now();
    this.#busy = false;
    if (this.#again) this.#announced(session);
  }
}
