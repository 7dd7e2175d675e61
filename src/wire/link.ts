/** One message: opaque parts, at least one. Given away when sent: whoever sends must not change the bytes later. */
export type Message = readonly Uint8Array[];

export type LinkKind = 'zeromq' | 'socket';

/** Why a connection is over. `message` is prose for people. */
export interface LinkEnd {
  readonly reason: 'closed' | 'lost' | 'slow' | 'garbage';
  readonly message: string;
}

/** What the owner of a connection hears. Neither may throw. */
export interface LinkListener {
  message(parts: Uint8Array[]): void;
  /** Called once, after the last message, also when this side closed. */
  gone(end: LinkEnd): void;
}

/**
 * One end of a connection. What `send` takes arrives whole and in order, or `gone` is called: nothing is lost in
 * silence. `send` never waits; a peer that does not read is given up once the link holds too much for it.
 */
export interface LinkConnection {
  /** Unique within this link, never chosen by the peer. */
  readonly id: string;
  /**
   * @param isAlone hardly anything else is under way: it need not wait for what else is sent in this turn of the event loop, with
   * which it would leave together. Default false.
   */
  send(message: Message, isAlone?: boolean): void;
  /** Ends the connection after what was sent. Idempotent; messages that arrive afterwards are not delivered. */
  close(): void;
}

export type Accept = (connection: LinkConnection) => LinkListener;

/** The end that many connect to. */
export interface LinkServer {
  readonly kind: LinkKind;
  /** What a client connects to. */
  readonly address: string;
  readonly connections: number;
  /** Ends every connection and frees the address. Idempotent. */
  close(): Promise<void>;
}

/** The end that connects to one server. */
export type LinkClient = (listener: LinkListener) => Promise<LinkConnection>;
