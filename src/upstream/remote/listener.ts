import { sleep } from '../../lib/abort.js';
import { backoffDelay } from '../../lib/backoff.js';
import type { ChannelSink } from '../channel.js';
import { isEventStream, readEventStream } from './event-stream.js';

/** A stream that held this long was a good one, which proxies end after half a minute: the delays begin anew. */
const GOOD_MS = 5_000;
const MAX_DELAY_MS = 60_000;

export interface ListenerOptions {
  readonly maxMessageBytes: number;
  readonly sink: ChannelSink;
  readonly open: (lastEventId: string | undefined, signal: AbortSignal) => Promise<Response>;
}

/**
 * The stream on which a server sends what belongs to no call. It is optional (405: the server has none), so whatever
 * goes wrong ends in silence: calls do not depend on it. As long as nobody says that there is none, it is tried again.
 */
export class Listener {
  readonly #abort = new AbortController();
  readonly done: Promise<void>;

  constructor(options: ListenerOptions) {
    this.done = this.#listen(options).catch(() => {});
  }

  stop(): void {
    this.#abort.abort();
  }

  async #listen({ maxMessageBytes, sink, open }: ListenerOptions): Promise<void> {
    const { signal } = this.#abort;
    let lastEventId: string | undefined;
    let retryMs = 1_000;
    for (let failures = 1; !signal.aborted; failures += 1) {
      const openedAt = performance.now();
      const response = await open(lastEventId, signal).catch(() => undefined);
      if (response && (!response.ok || !isEventStream(response) || !response.body)) {
        void response.body?.cancel().catch(() => {});
        if (response.status < 500) return;
      } else if (response?.body) {
        const reading = readEventStream(response.body, maxMessageBytes, {
          tooLong: (line) => sink.tooLong(line),
          event: ({ id, event, data }) => {
            if (id !== undefined) lastEventId = id;
            if (data !== '' && (event === undefined || event === 'message'))
              sink.message(Buffer.from(data, 'utf8'));
          },
          retry: (ms) => {
            retryMs = ms;
          },
        });
        await reading.catch(() => {});
      }
      if (performance.now() - openedAt > GOOD_MS) failures = 1;
      const delay = backoffDelay(failures, { baseMs: 1_000, capMs: MAX_DELAY_MS, jitter: 0.2 });
      await sleep(Math.max(delay, Math.min(retryMs, MAX_DELAY_MS)), { signal, unref: true });
    }
  }
}
