import type { EventStore, JSONRPCMessage } from '@modelcontextprotocol/server';
import { Payload } from '../core/payload.js';

interface StoredEvent {
  readonly id: string;
  readonly streamId: string;
  readonly message: JSONRPCMessage;
  readonly bytes: number;
}

/** An event store that belongs to one session: nobody can resume a stream of another. */
export interface SessionEvents extends EventStore {
  clear(): void;
}

/**
 * Keeps the latest messages of all streams, so that a client whose connection broke can fetch what it missed. The
 * oldest give way, whosever they are; what is larger than the whole budget cannot be resumed.
 */
export class EventLog {
  readonly #maxBytes: number;
  /** In the order they came, which is the order in which they go. */
  readonly #kept = new Map<StoredEvent, Map<string, StoredEvent>>();
  #bytes = 0;
  #next = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  forSession(): SessionEvents {
    const own = new Map<string, StoredEvent>();
    return {
      storeEvent: async (streamId, message) => {
        this.#next += 1;
        const event = { id: String(this.#next), streamId, message, bytes: sizeOf(message) };
        if (event.bytes <= this.#maxBytes) {
          own.set(event.id, event);
          this.#kept.set(event, own);
          this.#bytes += event.bytes;
          this.#shrink();
        }
        return event.id;
      },
      getStreamIdForEventId: async (id) => own.get(id)?.streamId,
      replayEventsAfter: async (lastId, { send }) => {
        const last = own.get(lastId);
        if (!last) throw new Error('the event is no longer kept');
        const later = [...own.values()].filter(
          (event) =>
            event.streamId === last.streamId && Number(event.id) > Number(lastId) && isMessage(event.message),
        );
        for (const event of later) await send(event.id, event.message);
        return last.streamId;
      },
      clear: () => {
        for (const event of own.values()) this.#drop(event);
        own.clear();
      },
    };
  }

  #shrink(): void {
    for (const [event, owner] of this.#kept) {
      if (this.#bytes <= this.#maxBytes) return;
      owner.delete(event.id);
      this.#drop(event);
    }
  }

  #drop(event: StoredEvent): void {
    if (this.#kept.delete(event)) this.#bytes -= event.bytes;
  }
}

/** A stream opens with an empty event, which is there for its id alone. */
const isMessage = (message: object) => 'jsonrpc' in message;

/** An event costs something even when it says nothing: objects, ids, places in maps (measured: 350 to 800 bytes). */
const OVERHEAD = 1_024;

function sizeOf(message: object): number {
  const result: unknown = 'result' in message ? message.result : undefined;
  if (result instanceof Payload) return OVERHEAD + result.byteLength;
  return OVERHEAD + JSON.stringify(message).length;
}
