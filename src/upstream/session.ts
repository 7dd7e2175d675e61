import { isWanted } from '../core/client-link.js';
import type { Payload } from '../core/payload.js';
import type { ServerIdentity } from '../core/server.js';
import type {
  CallToolResult,
  ClosePace,
  RequestOptions,
  SessionEnd,
  UpstreamEvent,
  UpstreamSession,
} from '../core/upstream.js';
import type { Emitter } from '../lib/emitter.js';
import type { MessageChannel } from './channel.js';
import { recordOf } from './handshake.js';
import { listTools, type ToolList } from './list-tools.js';
import type { Owner } from './owner.js';
import type { Peer } from './peer.js';
import { withoutEnvelope } from './stateless/envelope.js';

/** Log messages of a server that reach the listeners per second; a flood ends here. */
const MAX_LOGS_PER_SECOND = 50;

/** What concerns everybody who uses the server. */
const FOR_USERS = new Set([
  'notifications/resources/list_changed',
  'notifications/resources/updated',
  'notifications/prompts/list_changed',
  'notifications/elicitation/complete',
]);

/** An initialised session: the peer, the channel, and what the server said of itself. */
export class Session implements UpstreamSession {
  readonly identity: ServerIdentity;
  readonly #peer: Peer;
  readonly #channel: MessageChannel;
  readonly #events: Emitter<UpstreamEvent>;

  constructor(identity: ServerIdentity, peer: Peer, channel: MessageChannel, events: Emitter<UpstreamEvent>) {
    this.identity = identity;
    this.#peer = peer;
    this.#channel = channel;
    this.#events = events;
  }

  get pid(): number | undefined {
    return this.#channel.pid;
  }

  get isOpen(): boolean {
    return this.#peer.isOpen;
  }

  get ended(): Promise<SessionEnd> {
    return this.#channel.ended;
  }

  listTools(options: RequestOptions): Promise<ToolList> {
    return listTools(this.#peer, options);
  }

  callTool(
    name: string,
    args: Readonly<Record<string, unknown>>,
    options: RequestOptions,
  ): Promise<Payload<CallToolResult>> {
    return this.request('tools/call', { name, arguments: args }, options) as Promise<Payload<CallToolResult>>;
  }

  request(
    method: string,
    params: Readonly<Record<string, unknown>> | undefined,
    options: RequestOptions,
  ): Promise<Payload> {
    const plain = options.meta === undefined ? options : { ...options, meta: withoutEnvelope(options.meta) };
    return this.#peer.request(method, params, plain);
  }

  tell(method: string): Promise<void> {
    return this.#peer.notify(method);
  }

  subscribe(listener: (event: UpstreamEvent) => void): () => void {
    return this.#events.subscribe(listener);
  }

  close(pace?: ClosePace): Promise<SessionEnd> {
    return this.#channel.close(pace);
  }
}

/** Turns notifications of the server into events. */
export function notificationEvents(
  events: Emitter<UpstreamEvent>,
): (method: string, params: unknown, owner: Owner) => void {
  let second = 0;
  let logs = 0;
  return (method, params, owner) => {
    if (method === 'notifications/tools/list_changed') events.emit({ type: 'tools-changed' });
    if (FOR_USERS.has(method)) events.emit({ type: 'notification', method, params: recordOf(params) });
    if (method !== 'notifications/message' || typeof params !== 'object' || params === null) return;
    const now = Math.floor(performance.now() / 1_000);
    if (now !== second) {
      second = now;
      logs = 0;
    }
    logs += 1;
    if (logs > MAX_LOGS_PER_SECOND) return;
    const { level, logger, data } = params as { level?: unknown; logger?: unknown; data?: unknown };
    if (owner.client && isWanted(level, owner.client.logLevel))
      owner.client.tell(method, params as Record<string, unknown>);
    const belongs = owner.client ? 'told' : owner.why === 'several' ? 'unclear' : undefined;
    events.emit({
      type: 'log',
      level: typeof level === 'string' ? level : 'info',
      ...(typeof logger === 'string' ? { logger } : {}),
      data,
      ...(belongs ? { belongs } : {}),
    });
  };
}
