import type {
  JSONRPCMessage,
  JSONRPCRequest,
  JSONRPCResponse,
  RequestId,
} from '@modelcontextprotocol/server';
import { isRequest } from './inbound.js';
import type { Introduced, StdioSession } from './stdio-session.js';

/** Who serves the client, once it is there. */
export interface StdioHost {
  /** The session of a client that was greeted. */
  openSession(client: Introduced): StdioSession;
  /** Brings the SDK, which then starts the transport. Is called once. */
  loadSdk(): void;
}

/** Under this id the SDK is told of a client that was greeted already; what it answers to that is not sent. */
export const GREETED = 'mcp-runtime: greeted';

/**
 * Gives what a client says over stdio to who serves it: a session of ours if the client was greeted and that takes it, else
 * the SDK, which is loaded for the first message that needs it.
 */
export class StdioDispatch {
  readonly #respond: (message: JSONRPCResponse) => void;
  /** What came before the host, in order; undefined once it is there. */
  #held: JSONRPCMessage[] | undefined = [];
  #host: StdioHost | undefined;
  #greeted: Introduced | undefined;
  #session: StdioSession | undefined;
  /** What the SDK is to hear when it comes, in order; undefined once it is there. */
  #early: JSONRPCMessage[] | undefined = [];
  #toSdk: (message: JSONRPCMessage) => void = () => {};
  #isSdkWanted = false;
  /** Requests that the SDK has not answered yet. */
  readonly #atSdk = new Set<RequestId>();

  /** @param respond is given the answers of a session of ours. */
  constructor(respond: (message: JSONRPCResponse) => void) {
    this.#respond = respond;
  }

  get hasSession(): boolean {
    return this.#session !== undefined;
  }

  /** What the client said before is served now. */
  serve(host: StdioHost): void {
    this.#host = host;
    const held = this.#held ?? [];
    this.#held = undefined;
    if (this.#greeted) this.#session = host.openSession(this.#greeted);
    for (const message of held) {
      if (isRequest(message)) this.request(message);
      else this.other(message);
    }
  }

  /** A client was greeted: the SDK hears of it if it ever has to serve it. */
  greeted(client: Introduced, initialize: JSONRPCRequest): void {
    this.#early?.push({ ...initialize, id: GREETED });
    this.#greeted = client;
    this.#session = this.#host?.openSession(client);
  }

  /** The SDK has greeted the client, and a session of ours takes over what it can. */
  adopt(session: StdioSession): void {
    this.#session = session;
  }

  /** @param take gives the SDK a message; it answers what the SDK does not take, and never throws. */
  sdkIsThere(take: (message: JSONRPCMessage) => void): void {
    // Without a host everything is the SDK's.
    const early = [...(this.#early ?? []), ...(this.#held ?? [])];
    this.#early = undefined;
    this.#held = undefined;
    this.#toSdk = take;
    for (const message of early) take(message);
  }

  request(message: JSONRPCRequest): void {
    if (this.#held) {
      this.#held.push(message);
      return;
    }
    // What the SDK has not answered yet may change how a request is served, so it goes behind it.
    if (this.#atSdk.size === 0 && this.#session?.take(message, this.#respond)) return;
    this.#atSdk.add(message.id);
    this.#deliver(message);
  }

  /** A notification or an answer. */
  other(message: JSONRPCMessage): void {
    if (this.#held) this.#held.push(message);
    else if (!this.#session) this.#deliver(message);
    else if ('method' in message) {
      this.#session.notified(message);
      if (this.#isSdkWanted) this.#deliver(message);
      // Should it ever come, it is to know that the client is ready.
      else if (message.method === 'notifications/initialized') this.#early?.push(message);
    } else if (!this.#session.answered(message as JSONRPCResponse) && this.#isSdkWanted)
      this.#deliver(message);
  }

  /** @param message the notification that takes the request back. */
  cancel(id: RequestId, message: JSONRPCMessage): void {
    if (this.#held) {
      this.#held = this.#held.filter((one) => !isRequest(one) || one.id !== id);
      return;
    }
    const { reason } = (message as { params?: { reason?: unknown } }).params ?? {};
    if (this.#session?.cancel(id, reason)) return;
    if (!this.#session || this.#isSdkWanted) this.#deliver(message);
  }

  /** The request was answered or taken back. */
  settled(id: RequestId): void {
    this.#atSdk.delete(id);
  }

  /** Withdraws what a session of ours has under way. */
  close(): void {
    void this.#session?.close();
  }

  #deliver(message: JSONRPCMessage): void {
    if (this.#early === undefined) {
      this.#toSdk(message);
      return;
    }
    this.#early.push(message);
    if (this.#isSdkWanted) return;
    this.#isSdkWanted = true;
    this.#host?.loadSdk();
  }
}
