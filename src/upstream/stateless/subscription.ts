import type { RequestOptions } from '../../core/upstream.js';
import { sleep } from '../../lib/abort.js';
import { backoffDelay } from '../../lib/backoff.js';

const MAX_FAILURES = 6;
const MAX_WATCHED = 1_000;
/** A subscription that held this long was a good one: the delays begin anew. */
const GOOD_MS = 60_000;
/** As long as timers go. */
const FOR_EVER_MS = 2 ** 31 - 1;

type Listen = (params: Readonly<Record<string, unknown>>, options: RequestOptions) => Promise<unknown>;

/**
 * Keeps `subscriptions/listen` open for what the server can announce and for what clients watch; what it announces
 * arrives as notifications. It is optional: whatever goes wrong ends in silence, and lists are then as old as the last
 * look at them.
 */
export class Subscription {
  readonly #abort = new AbortController();
  readonly #listen: Listen;
  readonly #announced: Readonly<Record<string, unknown>>;
  readonly #watched = new Set<string>();
  #round: AbortController | undefined;

  constructor(capabilities: Readonly<Record<string, unknown>>, listen: Listen) {
    this.#listen = listen;
    this.#announced = announced(capabilities);
    this.#begin();
  }

  /** Asks for news of a resource, or no longer. */
  watch(uri: string, on: boolean): void {
    if (this.#watched.has(uri) === on || (on && this.#watched.size >= MAX_WATCHED)) return;
    if (on) this.#watched.add(uri);
    else this.#watched.delete(uri);
    this.#begin();
  }

  close(): void {
    this.#abort.abort();
  }

  /** One subscription at a time: what it is for is said once, when it begins. */
  #begin(): void {
    this.#round?.abort();
    const round = new AbortController();
    this.#round = round;
    const uris = [...this.#watched];
    const notifications = { ...this.#announced, ...(uris.length > 0 ? { resourceSubscriptions: uris } : {}) };
    if (Object.keys(notifications).length === 0) return;
    void this.#keep({ notifications }, AbortSignal.any([this.#abort.signal, round.signal]));
  }

  async #keep(params: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<void> {
    for (let failures = 1; failures <= MAX_FAILURES && !signal.aborted; failures += 1) {
      const since = performance.now();
      await this.#listen(params, { signal, timeoutMs: FOR_EVER_MS }).catch(() => {});
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
