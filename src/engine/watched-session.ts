import type { Payload } from '../core/payload.js';
import type { KnownServer, ListedTool, ServerIdentity } from '../core/server.js';
import type {
  CallToolResult,
  ClosePace,
  RequestOptions,
  SessionEnd,
  UpstreamEvent,
  UpstreamSession,
} from '../core/upstream.js';
import { Outage } from './outage.js';

/**
 * Only a remote server can be out of reach while its session stands: only such a one is watched.
 * @param onChange called when the state of the outage became another.
 */
export function watched(
  session: UpstreamSession,
  { name, startTimeoutMs }: KnownServer,
  onChange: () => void,
): { session: UpstreamSession; outage: Outage | undefined } {
  if (session.pid !== undefined) return { session, outage: undefined };
  // Every server has this one, and it changes nothing.
  const ask = (signal: AbortSignal) => session.listTools({ signal, timeoutMs: startTimeoutMs });
  const outage = new Outage({ server: name, since: Date.now(), ask, onChange });
  return { session: new WatchedSession(session, outage), outage };
}

/** A session whose requests are sent only while its server can take them, and whose failures are counted. */
class WatchedSession implements UpstreamSession {
  readonly #session: UpstreamSession;
  readonly #outage: Outage;

  constructor(session: UpstreamSession, outage: Outage) {
    this.#session = session;
    this.#outage = outage;
  }

  get identity(): ServerIdentity {
    return this.#session.identity;
  }

  get pid(): number | undefined {
    return this.#session.pid;
  }

  get isOpen(): boolean {
    return this.#session.isOpen;
  }

  get ended(): Promise<SessionEnd> {
    return this.#session.ended;
  }

  listTools(options: RequestOptions): Promise<{ tools: ListedTool[]; problems: string[] }> {
    return this.#outage.pass(options.signal, () => this.#session.listTools(options));
  }

  callTool(
    name: string,
    args: Readonly<Record<string, unknown>>,
    options: RequestOptions,
  ): Promise<Payload<CallToolResult>> {
    return this.#outage.pass(options.signal, () => this.#session.callTool(name, args, options));
  }

  request(
    method: string,
    params: Readonly<Record<string, unknown>> | undefined,
    options: RequestOptions,
  ): Promise<Payload> {
    return this.#outage.pass(options.signal, () => this.#session.request(method, params, options));
  }

  tell(method: string): Promise<void> {
    return this.#session.tell(method);
  }

  subscribe(listener: (event: UpstreamEvent) => void): () => void {
    return this.#session.subscribe(listener);
  }

  close(pace?: ClosePace): Promise<SessionEnd> {
    return this.#session.close(pace);
  }
}
