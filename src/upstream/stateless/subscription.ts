import type { RequestOptions } from '../../core/upstream.js';
import { sleep } from '../../lib/abort.js';
import { backoffDelay } from '../../lib/backoff.js';

const MAX_FAILURES = 6;
/** A subscription that held this long was a good one: the delays begin anew. */
const GOOD_MS = 60_000;
/** As long as timers go. */
const FOR_EVER_MS = 2 ** 31 - 1;

type Listen = (params: Readonly<Record<string, unknown>>, options: RequestOptions) => Promise<unknown>;

/**
 * Keeps `subscriptions/listen` open for what the server can announce; what it announces arrives as notifications. It is
 * optional: whatever goes wrong ends in silence, and lists are then as old as the last look at them.
 */
export class Subscription {
  readonly #abort = new AbortController();

  constructor(capabilities: Readonly<Record<string, unknown>>, listen: Listen) {
    const notifications = announced(capabilities);
    if (Object.keys(notifications).length > 0) void this.#keep({ notifications }, listen);
  }

  close(): void {
    this.#abort.abort();
  }

  async #keep(params: Readonly<Record<string, unknown>>, listen: Listen): Promise<void> {
    const { signal } = this.#abort;
    for (let failures = 1; failures <= MAX_FAILURES && !signal.aborted; failures += 1) {
      const since = performance.now();
      await listen(params, { signal, timeoutMs: FOR_EVER_MS }).catch(() => {});
      if (performance.now() - since > GOOD_MS) failures = 1;
      const delay = backoffDelay(failures, { baseMs: 1_000, capMs: 60_000, jitter: 0.2 });
      await sleep(delay, { signal, unref: true }).catch(() => {});
    }
  }
}

function announced(capabilities: Readonly<Record<string, unknown>>): Record<string, true> {
  const does = (name: string) =>
    (capabilities[name] as { listChanged?: unknown } | undefined)?.listChanged === true;
  return {
    ...(does('tools') ? { toolsListChanged: true as const } : {}),
    ...(does('prompts') ? { promptsListChanged: true as const } : {}),
    ...(does('resources') ? { resourcesListChanged: true as const } : {}),
  };
}
