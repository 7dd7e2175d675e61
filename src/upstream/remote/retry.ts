import { sleep } from '../../lib/abort.js';
import { backoffDelay } from '../../lib/backoff.js';

const RETRIES = 3;
const MAX_RETRY_AFTER_MS = 60_000;
const transient = new Set([429, 500, 502, 503, 504]);
/** Asking these twice changes nothing. A call is never repeated. */
const repeatable = new Set([
  'initialize',
  'ping',
  'tools/list',
  'prompts/list',
  'resources/list',
  'resources/templates/list',
  'tasks/get',
]);

export interface RetryOptions {
  readonly method: string | undefined;
  readonly signal: AbortSignal;
  /** performance.now() after which nobody waits any more. */
  readonly expiresAt: number;
}

/**
 * Repeats a request that only asks, up to three times, after a growing delay or what Retry-After says (a minute at
 * most). When the time left does not allow another try, the failure is given at once.
 */
export async function withRetries(
  attempt: () => Promise<Response>,
  { method, signal, expiresAt }: RetryOptions,
): Promise<Response> {
  for (let tries = 1; ; tries += 1) {
    const mayRetry = tries <= RETRIES && method !== undefined && repeatable.has(method);
    let retryAfter = 0;
    try {
      const response = await attempt();
      if (!mayRetry || !transient.has(response.status)) return response;
      retryAfter = Math.min(retryAfterOf(response.headers.get('retry-after')), MAX_RETRY_AFTER_MS);
      if (!fits(tries, retryAfter, expiresAt)) return response;
      void response.body?.cancel().catch(() => {});
    } catch (error) {
      // fetch fails with a TypeError when the network does; everything else is decided.
      if (!mayRetry || signal.aborted || !(error instanceof TypeError) || !fits(tries, 0, expiresAt))
        throw error;
    }
    await sleep(Math.max(retryAfter, delayOf(tries)), { signal });
  }
}

function delayOf(tries: number): number {
  return backoffDelay(tries, { baseMs: 300, capMs: 5_000 });
}

function fits(tries: number, retryAfter: number, expiresAt: number): boolean {
  return performance.now() + Math.max(retryAfter, 300 * 2 ** (tries - 1)) < expiresAt;
}

/** Seconds or a date (RFC 9110, 10.2.3), as ms from now; 0 when absent or unreadable. */
export function retryAfterOf(value: string | null): number {
  if (value === null) return 0;
  const ms = /^\d+$/.test(value.trim()) ? Number(value) * 1_000 : Date.parse(value) - Date.now();
  return Number.isFinite(ms) && ms > 0 ? ms : 0;
}
