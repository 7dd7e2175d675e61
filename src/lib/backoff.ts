export interface BackoffOptions {
  /** Delay before the first repetition, ms. */
  readonly baseMs: number;
  /** No delay is longer, ms. */
  readonly capMs: number;
  /** 0..1: up to this share of the delay is taken off at random, so that many do not come back at once. Default 0.5. */
  readonly jitter?: number;
  readonly random?: () => number;
}

/** Milliseconds to wait before repetition `attempt` (1 is the first): doubled each time, capped, with jitter. */
export function backoffDelay(attempt: number, options: BackoffOptions): number {
  const { baseMs, capMs, jitter = 0.5, random = Math.random } = options;
  const full = Math.min(capMs, baseMs * 2 ** Math.min(Math.max(attempt, 1) - 1, 30));
  return Math.round(full * (1 - jitter * random()));
}
