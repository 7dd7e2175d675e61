/** Limits of a breaker; times in ms. */
export interface CircuitBreakerOptions {
  /** Failures in a row until nothing is sent any more. */
  readonly threshold?: number | undefined;
  /** First pause; it doubles with each failed probe up to `maxPauseMs`. */
  readonly pauseMs?: number | undefined;
  readonly maxPauseMs?: number | undefined;
  readonly now: () => number;
}

/** `go`: send. `probe`: send this one alone and report how it went. `wait`: do not send for `ms`. */
type Admission =
  | { readonly kind: 'go' }
  | { readonly kind: 'probe' }
  | { readonly kind: 'wait'; readonly ms: number };

/** Keeps a peer that is down from being asked by everyone again and again. Pure: the clock is given. */
export class CircuitBreaker {
  readonly #threshold: number;
  readonly #firstPause: number;
  readonly #maxPause: number;
  readonly #now: () => number;
  #failures = 0;
  #pause: number;
  #openUntil = 0;
  #probing = false;

  constructor(options: CircuitBreakerOptions) {
    this.#threshold = options.threshold ?? 3;
    this.#firstPause = options.pauseMs ?? 5_000;
    this.#maxPause = options.maxPauseMs ?? 120_000;
    this.#pause = this.#firstPause;
    this.#now = options.now;
  }

  /** When the next probe may be sent, on the clock that was given; undefined while all is sent. */
  get openUntil(): number | undefined {
    return this.#openUntil === 0 ? undefined : this.#openUntil;
  }

  /** Failures since the last success. */
  get failures(): number {
    return this.#failures;
  }

  /** Every `go` and `probe` must be followed by one of `succeed`, `fail`, `withdraw`. */
  enter(): Admission {
    const left = this.#openUntil - this.#now();
    if (left > 0) return { kind: 'wait', ms: left };
    if (this.#openUntil === 0) return { kind: 'go' };
    if (this.#probing) return { kind: 'wait', ms: this.#firstPause };
    this.#probing = true;
    return { kind: 'probe' };
  }

  succeed(): void {
    this.#failures = 0;
    this.#openUntil = 0;
    this.#pause = this.#firstPause;
    this.#probing = false;
  }

  /** @param holdMs how long the peer itself asked to be left alone; taken up to `maxPauseMs`. */
  fail(holdMs = 0): void {
    const probed = this.#probing;
    this.#probing = false;
    this.#failures += 1;
    const hold = Math.min(holdMs, this.#maxPause);
    if (probed || this.#failures >= this.#threshold) {
      if (probed) this.#pause = Math.min(this.#pause * 2, this.#maxPause);
      this.#openUntil = this.#now() + Math.max(this.#pause, hold);
    } else if (hold > 0) this.#openUntil = this.#now() + hold;
  }

  /** The pause is over: the next one is a probe. */
  endPause(): void {
    this.#openUntil = Math.min(this.#openUntil, this.#now());
  }

  /** The request was taken back before it could tell anything. */
  withdraw(): void {
    this.#probing = false;
  }
}
