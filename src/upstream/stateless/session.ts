import { Payload } from '../../core/payload.js';
import type { ServerIdentity } from '../../core/server.js';
import type {
  CallToolResult,
  RequestOptions,
  SessionEnd,
  UpstreamEvent,
  UpstreamSession,
} from '../../core/upstream.js';
import type { Emitter } from '../../lib/emitter.js';
import type { MessageChannel } from '../channel.js';
import type { ClientInfo } from '../handshake.js';
import { listTools, type ToolList } from '../list-tools.js';
import type { Peer } from '../peer.js';
import { envelope, withoutEnvelope } from './envelope.js';
import { declaredHeaders, type HeaderDeclaration, standardHeaders } from './headers.js';
import { inRounds } from './rounds.js';
import { Subscription } from './subscription.js';
import { untilTaskEnds } from './tasks.js';

export interface StatelessOptions {
  readonly server: string;
  readonly identity: ServerIdentity;
  readonly peer: Peer;
  readonly channel: MessageChannel;
  readonly events: Emitter<UpstreamEvent>;
  readonly clientInfo: ClientInfo;
  /** How long a client may take for an answer, ms. */
  readonly answerMs?: number | undefined;
}

/** A server of 2026-07-28: no session on its side, each request says who asks and what that client can do. */
export class StatelessSession implements UpstreamSession {
  readonly identity: ServerIdentity;
  readonly #options: StatelessOptions;
  readonly #subscription: Subscription;
  /** Of the tools that say some of their arguments in headers too. */
  #headers = new Map<string, readonly HeaderDeclaration[]>();

  constructor(options: StatelessOptions) {
    this.#options = options;
    this.identity = options.identity;
    this.#subscription = new Subscription(options.identity.capabilities, (params, request) =>
      this.#send('subscriptions/listen', params, request),
    );
  }

  get pid(): number | undefined {
    return this.#options.channel.pid;
  }

  get isOpen(): boolean {
    return this.#options.peer.isOpen;
  }

  get ended(): Promise<SessionEnd> {
    return this.#options.channel.ended;
  }

  async listTools(options: RequestOptions): Promise<ToolList> {
    const listed = await listTools(
      { request: (method, params, request) => this.#send(method, params, request, Number.POSITIVE_INFINITY) },
      options,
    );
    const headers = new Map<string, readonly HeaderDeclaration[]>();
    const tools = listed.tools.filter((tool) => {
      const found = declaredHeaders(tool.inputSchema);
      if ('fault' in found) listed.problems.push(`The tool "${tool.name}" is left out: ${found.fault}.`);
      else if (found.declarations.length > 0) headers.set(tool.name, found.declarations);
      return !('fault' in found);
    });
    this.#headers = headers;
    return { tools, problems: listed.problems };
  }

  callTool(
    name: string,
    args: Readonly<Record<string, unknown>>,
    options: RequestOptions,
  ): Promise<Payload<CallToolResult>> {
    return this.request('tools/call', { name, arguments: args }, options) as Promise<Payload<CallToolResult>>;
  }

  async request(
    method: string,
    params: Readonly<Record<string, unknown>> | undefined,
    options: RequestOptions,
  ): Promise<Payload> {
    // Clients of earlier revisions subscribe by a request that this one does not have.
    if (method === 'resources/subscribe' || method === 'resources/unsubscribe') {
      this.#subscription.watch(String(params?.['uri']), method === 'resources/subscribe');
      return Payload.fromValue({});
    }
    const { server, answerMs, peer } = this.#options;
    const { client } = options;
    const begun = performance.now();
    const send = (full: Readonly<Record<string, unknown>>) => this.#send(method, full, options);
    const answer = await inRounds(params ?? {}, { server, method, client, answerMs, send });
    return untilTaskEnds(answer, {
      server,
      method,
      client,
      answerMs,
      request: options,
      begun,
      isOpen: () => peer.isOpen,
      send: (step, full, request) => this.#send(step, full, request),
    });
  }

  /** Each request says what concerns it; this revision has no notifications of clients but to cancel. */
  tell(): Promise<void> {
    return Promise.resolve();
  }

  subscribe(listener: (event: UpstreamEvent) => void): () => void {
    return this.#options.events.subscribe(listener);
  }

  close(): Promise<SessionEnd> {
    this.#subscription.close();
    return this.#options.channel.close();
  }

  #send(
    method: string,
    params: Readonly<Record<string, unknown>> | undefined,
    options: RequestOptions,
    maxDepth?: number,
  ): Promise<Payload> {
    const { peer, clientInfo } = this.#options;
    const meta = { ...withoutEnvelope(options.meta), ...envelope(clientInfo, options.client) };
    const declarations = method === 'tools/call' ? this.#headers.get(String(params?.['name'])) : undefined;
    return peer.request(
      method,
      params,
      { ...options, meta },
      {
        ...(maxDepth === undefined ? {} : { maxDepth }),
        headers: standardHeaders(method, params, declarations),
      },
    );
  }
}
