import type { ClosePace, SessionEnd } from '../core/upstream.js';
import type { LongLine } from '../lib/line-splitter.js';
import type { Bytes } from '../lib/pieces.js';

/** One message on its way to the upstream, already JSON without a line feed in it. */
export interface Outgoing {
  readonly kind: 'request' | 'notification' | 'response';
  /** Of a request; minted by the peer and never used again. */
  readonly id?: number;
  /** Absent for a response. */
  readonly method?: string;
  readonly json: string;
  /** Over HTTP: headers that say of a request what its body says (2026-07-28). */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Of a request: when its asker gives up, in performance.now() ms. */
  readonly expiresAt?: number;
  /** Of a request: no other waits for its answer, so it need not wait for company on its way. */
  readonly isAlone?: boolean;
}

/** How far a request got. What is unsent never leaves, so there is nothing to cancel. */
export type Delivery = 'sent' | 'partly' | 'unsent';

/** Where a channel delivers. None of these throws. */
export interface ChannelSink {
  /**
   * One whole message as it came.
   * @param of the request on whose stream it came, where the transport knows that.
   */
  message(bytes: Bytes, of?: number): void;
  /** One more piece of a long message has come; the same list each time, which grows until `message` has it. */
  growing?(pieces: readonly Buffer[]): void;
  /** A message above the limit; it was not kept. */
  tooLong(line: LongLine): void;
  /** No further message will come: called once, at once, while what was started may still be ending. */
  down(end: SessionEnd): void;
  /** The server forgot the session (HTTP 404): begin a new one over this channel. */
  renew(): Promise<void>;
}

/**
 * Carries messages to and from one upstream: the seam under the peer. Implementations: a child process, streamable
 * HTTP, and HTTP+SSE.
 */
export interface MessageChannel {
  readonly pid: number | undefined;
  /** Resolves, never rejects, once nothing of the channel is left: no process, no socket. */
  readonly ended: Promise<SessionEnd>;
  /**
   * Resolves when the message was handed over; over HTTP for a request: when its exchange is over. A rejection
   * (RuntimeError) fails the request.
   */
  send(message: Outgoing): Promise<void>;
  /** Nobody waits for this request any more; says how far it got. */
  release(id: number, answered: boolean): Delivery;
  /** The revision that was negotiated (HTTP says it in a header). */
  useVersion(version: string): void;
  /** Default `calm`. */
  close(pace?: ClosePace): Promise<SessionEnd>;
}
