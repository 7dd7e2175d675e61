import { randomUUID } from 'node:crypto';
import {
  INVALID_PARAMS,
  INVALID_REQUEST,
  isInitializeRequest,
  type JSONRPCMessage,
  type JSONRPCRequest,
  type JSONRPCResponse,
  type RequestId,
  type Server,
  WebStandardStreamableHTTPServerTransport,
} from '@modelcontextprotocol/server';
import { allowsBatches } from '../mcp/batch.js';
import type { Connection } from '../mcp/connection.js';
import { DirectCalls } from '../mcp/direct-calls.js';
import type { McpFace } from '../mcp/face.js';
import { cancelledId, errorAnswer, idKey, isRequest, readMessage } from '../mcp/inbound.js';
import { sdkServer } from '../mcp/sdk-server.js';
import { capabilitiesOf, sessionWay } from '../mcp/sdk-way.js';
import type { Access } from './access/access.js';
import { noSession, refusal, rpcResponse, tooManySessions } from './answers.js';
import type { AccessEnv } from './authentication.js';
import type { EventLog, SessionEvents } from './event-log.js';
import type { Closable, Sessions } from './sessions.js';
import type { ShortCall } from './short-call.js';

type Outgoing = Parameters<Sessions<Closable>['find']>[2];

/**
 * Knows which requests wait for an answer, which the SDK's transport keeps to itself, and those of them that have no
 * stream as long as nothing is said.
 */
class SessionTransport extends WebStandardStreamableHTTPServerTransport {
  readonly waiting = new Set<string>();
  /** They run already. Each stays until its answer left, on its stream when it has one. */
  readonly #short = new Map<string, ShortCall>();

  /** By the requests that are to open the streams of calls. */
  readonly #opening = new WeakMap<object, ShortCall>();

  isInUse(key: string): boolean {
    return this.waiting.has(key) || this.#short.has(key);
  }

  begin(key: string, call: ShortCall): void {
    this.waiting.add(key);
    this.#short.set(key, call);
  }

  forget(key: string): void {
    this.waiting.delete(key);
    this.#short.delete(key);
  }

  /** Opens the stream of a call. The SDK does so on its way to dispatching a request, which this one was already. */
  async open(request: Request, body: unknown, call: ShortCall): Promise<Response> {
    this.#opening.set(request, call);
    const response = await this.handleRequest(request, { parsedBody: body });
    if (!response.ok) call.failed();
    return response;
  }

  /** To be called once it is connected. */
  dispatchOnce(): void {
    const deliver = this.onmessage;
    this.onmessage = (message: JSONRPCMessage, extra) => {
      const call = extra?.request && this.#opening.get(extra.request);
      if (call) call.opened();
      else deliver?.(message, extra);
    };
  }

  /** @returns false when the answer of a request belongs on its stream. */
  answer(key: string, message: JSONRPCResponse): boolean {
    this.waiting.delete(key);
    return this.#short.get(key)?.answer(message) === true && this.#short.delete(key);
  }

  override async send(message: JSONRPCMessage, options?: { relatedRequestId?: RequestId }): Promise<void> {
    const isAnswer = !('method' in message);
    const id = isAnswer ? message.id : options?.relatedRequestId;
    const key = id === undefined ? '' : idKey(id);
    if (isAnswer && this.answer(key, message)) return;
    const call = this.#short.get(key);
    try {
      // Everything waits in line, also what comes once it is open.
      if (call) await call.stream();
    } finally {
      if (isAnswer) this.#short.delete(key);
    }
    await super.send(message, options);
  }

  override async close(): Promise<void> {
    for (const call of this.#short.values()) call.end();
    await super.close();
  }
}

/** One session of streamable HTTP as the revisions up to 2025-11-25 have it. */
export class StreamableSession implements Closable {
  readonly id: string;
  readonly #transport: SessionTransport;
  readonly #connection: Connection;
  readonly #server: Server;
  readonly #events: SessionEvents;
  /** The short way for calls, once the client is ready. */
  #direct: DirectCalls | undefined;

  constructor(
    face: McpFace,
    { principal, restriction }: Access,
    events: EventLog,
    onclose: (id: string) => void,
  ) {
    this.id = randomUUID();
    this.#events = events.forSession();
    this.#connection = face.connect({ principal, restriction });
    this.#server = sdkServer(this.#connection, 'legacy', {
      onReady: (server) => {
        this.#direct ??= new DirectCalls((request, way, signal) =>
          this.#connection.call(request, way, capabilitiesOf(server), signal),
        );
      },
      onClose: () => this.#direct?.close(),
    });
    this.#transport = new SessionTransport({
      sessionIdGenerator: () => this.id,
      eventStore: this.#events,
      onsessionclosed: (id) => onclose(id),
    });
  }

  get busy(): boolean {
    return this.#transport.waiting.size > 0;
  }

  async start(): Promise<void> {
    await this.#server.connect(this.#transport);
    this.#transport.dispatchOnce();
  }

  handle(request: Request): Promise<Response> {
    return this.#transport.handleRequest(request);
  }

  /**
   * Runs a plain call of an initialised session without its stream.
   * @param revision as the request's header has it.
   * @returns false when it must be posted.
   */
  run(request: JSONRPCRequest, revision: string, call: ShortCall): boolean {
    const direct = this.#direct;
    const { id, method } = request;
    const key = idKey(id);
    if (direct === undefined || method !== 'tools/call' || this.#transport.isInUse(key)) return false;
    if (this.#server.getNegotiatedProtocolVersion() !== revision) return false;
    const answer = (message: JSONRPCResponse) => {
      if (!this.#transport.answer(key, message))
        this.#transport.send(message).catch((error: Error) => this.#transport.onerror?.(error));
    };
    this.#transport.begin(key, call);
    const isTaken = direct.take(request, answer, sessionWay(this.#server, id));
    if (isTaken) call.begin();
    else this.#transport.forget(key);
    return isTaken;
  }

  /** @param running the call of this request, if it runs already and is to get its stream. */
  async post(request: Request, body: unknown, running?: ShortCall): Promise<Response> {
    if (running) return this.#transport.open(request, body, running);
    const read = this.#readMessages(body);
    if (read instanceof Response) return read;
    const transport = this.#transport;
    const keys: string[] = [];
    for (const message of read.filter(isRequest)) {
      const key = idKey(message.id);
      // A second request under an id that waits would take over the stream of the first.
      if (transport.isInUse(key) || keys.includes(key)) return idInUse(message);
      keys.push(key);
    }
    for (const key of keys) transport.waiting.add(key);
    const response = await this.#transport.handleRequest(request, { parsedBody: body });
    if (response.ok) await this.#endCancelled(read);
    else for (const key of keys) transport.waiting.delete(key);
    return response;
  }

  async close(): Promise<void> {
    await this.#transport.close();
    await this.#connection.close();
    this.#events.clear();
  }

  #readMessages(body: unknown): readonly JSONRPCMessage[] | Response {
    if (Array.isArray(body) && !allowsBatches(this.#server.getNegotiatedProtocolVersion())) {
      return refusal(400, 'This revision of MCP has no batches', { code: INVALID_REQUEST });
    }
    const messages: JSONRPCMessage[] = [];
    for (const value of Array.isArray(body) ? body : [body]) {
      const read = readMessage(value);
      if (!read.ok) return rpcResponse(400, read.answer);
      messages.push(read.message);
    }
    if (messages.length > 0) return messages;
    return refusal(400, 'An empty batch', { code: INVALID_REQUEST });
  }

  /**
   * The SDK never ends the stream of a cancelled request, and a client that sees it end without an answer comes back
   * to resume it. An error as its answer, which a client ignores by the specification, ends both.
   */
  async #endCancelled(messages: readonly JSONRPCMessage[]): Promise<void> {
    for (const message of messages) {
      const id = cancelledId(message);
      if (id === undefined || !this.#transport.waiting.has(idKey(id))) continue;
      const { reason } = (message as { params?: { reason?: unknown } }).params ?? {};
      this.#direct?.cancel(id, reason);
      const error = { code: INVALID_REQUEST, message: 'The request was cancelled' };
      await this.#transport.send({ jsonrpc: '2.0', id, error });
    }
  }
}

export interface LegacyContext {
  readonly face: McpFace;
  readonly sessions: Sessions<StreamableSession>;
  readonly events: EventLog;
}

/** A POST of the revisions with sessions: `initialize` opens one, everything else must name one. */
export async function legacyPost(
  context: LegacyContext,
  request: Request,
  access: Access,
  body: unknown,
  { outgoing, handed }: AccessEnv['Bindings'],
): Promise<Response> {
  const id = request.headers.get('mcp-session-id');
  if (id !== null) {
    const session = context.sessions.find(id, access, outgoing);
    return (await session?.post(request, body, handed?.running)) ?? noSession();
  }
  if (!isInitialize(body)) {
    return refusal(400, 'Mcp-Session-Id is missing; begin with initialize', { code: INVALID_REQUEST });
  }
  if (!isInitializeRequest(body)) {
    return rpcResponse(400, errorAnswer(body.id ?? null, INVALID_PARAMS, 'initialize lacks what it needs'));
  }
  if (!context.sessions.hasRoom(access)) return tooManySessions();
  const session = new StreamableSession(context.face, access, context.events, (ended) =>
    context.sessions.remove(ended),
  );
  context.sessions.add(session.id, access, session);
  context.sessions.find(session.id, access, outgoing);
  await session.start();
  const response = await session.post(request, body);
  if (!response.ok) context.sessions.remove(session.id);
  return response;
}

/** GET opens the stream of a session or resumes one, DELETE ends the session. */
export async function legacyOther(
  context: LegacyContext,
  request: Request,
  access: Access,
  outgoing: Outgoing,
): Promise<Response> {
  const id = request.headers.get('mcp-session-id');
  if (id === null) return refusal(400, 'Mcp-Session-Id is missing', { code: INVALID_REQUEST });
  return (await context.sessions.find(id, access, outgoing)?.handle(request)) ?? noSession();
}

function isInitialize(body: unknown): body is { id?: string | number | null } {
  const read = readMessage(body);
  return read.ok && 'method' in read.message && read.message.method === 'initialize';
}

const idInUse = (request: JSONRPCRequest) =>
  rpcResponse(400, errorAnswer(request.id, INVALID_REQUEST, 'Invalid request: the id is in use'));
