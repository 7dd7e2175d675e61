export interface HeartbeatOptions {
  readonly intervalMs: number;
  readonly silenceMs: number;
  readonly now: () => number;
  readonly beat: () => void;
  /** Nothing was heard for `ms`. */
  readonly silent: (ms: number) => void;
}

/**
 * Beats, and notices a peer that no longer does. When this process itself stood still (a suspended machine, a
 * blocked event loop), what the peer said waits unread: then the peer gets the full time again.
 */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  readonly #timer: NodeJS.Timeout;
  #heardAt: number;
  #beatAt: number;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#heardAt = options.now();
    this.#beatAt = this.#heardAt;
    this.#timer = setInterval(() => this.#beat(), options.intervalMs);
    this.#timer.unref();
  }

  heard(): void {
    this.#heardAt = this.#options.now();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #beat(): void {
    const now = this.#options.now();
    if (now - this.#beatAt > 2 * this.#options.intervalMs) this.#heardAt = now;
    this.#beatAt = now;
    const silence = now - this.#heardAt;
    if (silence > this.#options.silenceMs) this.#options.silent(silence);
    else this.#options.beat();
  }
}
