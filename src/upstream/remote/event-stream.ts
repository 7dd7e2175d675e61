import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { LineSplitter, type LongLine } from '../../lib/line-splitter.js';

/** The stream held an event above the limit. */
export class EventTooLarge extends Error {
  override readonly name = 'EventTooLarge';
}

export interface EventSink {
  event(event: EventSourceMessage): void;
  /** The server's wish for the delay before a reconnect, ms. */
  retry?(ms: number): void;
  /** A message above the limit, which is skipped. Without this the stream ends there: right for the stream of one call. */
  tooLong?(message: LongLine): void;
}

/**
 * Reads server-sent events to the end of the stream. An event the stream breaks off in is none. Lines are cut from
 * the bytes, so that a torn character is whole again and one that is too long is never held; a stream that knows
 * only CR as line end (the standard allows it, nobody does it) is therefore not read.
 * @throws EventTooLarge, or what the body throws (broken connection, abort).
 */
export async function readEventStream(
  body: ReadableStream<Uint8Array>,
  maxBytes: number,
  sink: EventSink,
): Promise<void> {
  let tooLarge = false;
  const parser = createParser({
    // Guards against many lines of data in one event; each of them is below the limit.
    maxBufferSize: maxBytes + 1_024,
    onEvent: (event) => sink.event(event),
    onRetry: (ms) => sink.retry?.(ms),
    onError: (error) => {
      if (error.type === 'max-buffer-size-exceeded') tooLarge = true;
    },
  });
  const lines = new LineSplitter(maxBytes, {
    line: (line) => {
      if (!tooLarge) parser.feed(`${line.toString('utf8')}\n`);
    },
    tooLong: ({ head, tail, bytes }) => sink.tooLong?.({ head: withoutField(head), tail, bytes }),
  });
  for await (const chunk of body) {
    lines.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    if (tooLarge || (!sink.tooLong && lines.unfinished > maxBytes)) {
      throw new EventTooLarge(`an event is larger than ${maxBytes} bytes`);
    }
  }
}

export function isEventStream(response: Response): boolean {
  return response.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase() === 'text/event-stream';
}

/** A longer id is none that a server could be told in a header. */
const MAX_EVENT_ID = 4_096;

/**
 * The header that asks for a stream from after this event, as the standard says it: the bytes of its UTF-8, one character
 * each. Empty where there is nothing to go on from, or nothing that a header can say.
 */
export function resumeHeaders(lastEventId: string | undefined): Readonly<Record<string, string>> {
  const id = Buffer.from(lastEventId ?? '', 'utf8').toString('latin1');
  return /^[\t\x20-\x7e\x80-\xff]+$/.test(id) && id.length <= MAX_EVENT_ID ? { 'last-event-id': id } : {};
}

function withoutField(line: Buffer): Buffer {
  return line.subarray(/^data: ?/.exec(line.toString('latin1', 0, 6))?.[0].length ?? 0);
}
