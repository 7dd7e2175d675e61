import { randomUUID } from 'node:crypto';
import {
  CLIENT_INFO_META_KEY,
  type JSONRPCRequest,
  ProtocolError,
  ProtocolErrorCode,
  type Result,
  type Server,
  type ServerContext,
} from '@modelcontextprotocol/server';
import type { Asker, Caller, OperationContext } from '../core/caller.js';
import { type ClientLink, isWanted } from '../core/client-link.js';
import type { RuntimeEvent } from '../core/events.js';
import { Payload } from '../core/payload.js';
import type { Progress } from '../core/upstream.js';
import type { Logger } from '../lib/log.js';
import { oneLine } from '../lib/printable.js';
import { ProgressGate } from '../lib/progress-gate.js';
import type { RuntimePort } from '../operations/table.js';
import { callTool, exposedTools, serverOf } from './call.js';
import { callExposed } from './call-exposed.js';
import { roundLink, roundOf, sessionLink } from './client-links.js';
import { type ClientWay, DirectCalls } from './direct-calls.js';
import type { Expose } from './expose.js';
import type { Exposed, Exposure, Pin } from './exposure.js';
import type { Era } from './introduction.js';
import { NATIVE_METHODS, type Native } from './native.js';
import { RootsNews } from './roots-news.js';
import { Rounds } from './rounds.js';
import { LIST_TTL_MS, makeServer } from './sdk-server.js';
import { answerTask, callAsTask, registerTaskMethods, TASK_METHODS, withTaskSupport } from './tasks.js';

type ServerNotification = Extract<RuntimeEvent, { type: 'server-notification' }>;
type Answer = Result | Payload;
type Params = Readonly<Record<string, unknown>>;

const TOOL_METHODS: ReadonlySet<string> = new Set(['tools/list', 'tools/call']);

const CHANGING_TTL_MS = 5_000;
const MAX_CLIENT_NAME = 128;

export interface McpFaceOptions {
  readonly expose: Expose;
  /** Servers and tools that are shown as if they were ours. */
  readonly pins?: readonly Pin[] | undefined;
  /** Whether definitions pin whole servers: then resources and prompts are offered. Default: if `pins` do. */
  readonly wholePins?: boolean | undefined;
  /** Where the one client that is served over stdio works. */
  readonly workspace?: string | undefined;
  readonly version: string;
  readonly logger: Logger;
}

/** One client. It may need several servers: each belongs to one era, and over stateless HTTP to one request. */
export interface McpConnection {
  readonly caller: Caller;
  /**
   * A server for the SDK to connect to a transport.
   * @param method of the one request that it is for, where the transport knows it.
   */
  createServer(era: Era, method?: string): Server;
  /** The short way for calls, once a session is initialised. */
  readonly direct: DirectCalls | undefined;
  /** The client is gone: what it waits for is withdrawn. Idempotent, never rejects. */
  close(): Promise<void>;
}

/** What all connections have in common. */
export interface Shared {
  readonly port: RuntimePort;
  readonly options: McpFaceOptions;
  readonly exposure: Exposure;
  readonly native: Native;
  readonly onclose: (connection: Connection) => void;
}

export class Connection implements McpConnection {
  readonly caller: Caller;
  readonly #shared: Shared;
  /** Those that were asked something and whose transport is open. */
  readonly #servers = new Map<Server, Era>();
  readonly #rounds = new Rounds();
  readonly #rootsNews: RootsNews;
  /** Upstream servers whose news concern this client. */
  readonly #used = new Set<string>();
  readonly #watched = new Set<string>();
  #logLevel: string | undefined;
  #clientName: string | undefined;
  #detach: (() => void) | undefined;
  #closed = false;
  direct: DirectCalls | undefined;

  constructor(shared: Shared, asker: Asker) {
    const { principal, restriction } = asker;
    this.#shared = shared;
    this.#clientName = asker.clientName;
    const name = () => this.#clientName;
    this.caller = {
      principal,
      restriction,
      clientId: randomUUID(),
      // A client says its name in its first message, after the connection was made.
      get clientName() {
        return name();
      },
    };
    this.#rootsNews = new RootsNews(shared.port, this.caller, shared.options.workspace);
  }

  createServer(era: Era, method?: string): Server {
    const { native, options } = this.#shared;
    const { expose, version, logger } = options;
    const server = makeServer(era, { expose, version, native: native.offered });
    server.setRequestHandler('logging/setLevel', async ({ params }) => {
      this.#logLevel = params.level;
      return {};
    });
    if (era === 'legacy') this.#rootsNews.follow(server);
    registerTaskMethods(server, era, (request, context) => this.#handle(server, era, request, context));
    // Registered handlers strip unknown fields and refuse content types of later revisions; the fallback passes both.
    // Without it the SDK answers an unknown method before it hands on, which over stateless HTTP makes it a 404.
    if (method === undefined || this.#serves(method)) {
      server.fallbackRequestHandler = (request, context) => this.#handle(server, era, request, context);
    }
    server.oninitialized = () => {
      this.#arrive(server.getClientVersion()?.name);
      this.#servers.set(server, era);
      if (era === 'legacy')
        this.direct = new DirectCalls(server, ({ request, way }) => this.#call(server, request, way));
    };
    server.onerror = (error) => logger.debug({ err: error }, 'mcp connection');
    server.onclose = () => {
      this.#servers.delete(server);
      if (era === 'legacy') this.direct?.close();
    };
    return server;
  }

  /** Tells the client what it has subscribed to by being connected. Over stateless HTTP nobody is. */
  tell(method: string, params?: Readonly<Record<string, unknown>>): void {
    for (const [server, era] of this.#servers) {
      // The other era has no way to hear of a log outside of a request.
      if (era === 'modern' && method === 'notifications/message') continue;
      const notification = { method, ...(params === undefined ? {} : { params: { ...params } }) };
      server.notification(notification as Parameters<Server['notification']>[0]).catch(() => {
        // It left.
      });
    }
  }

  onServer({ server, clientId, method, params }: ServerNotification): void {
    if (clientId !== undefined && clientId !== this.caller.clientId) return;
    if (!this.#used.has(server) && !this.#shared.exposure.shows(server, this.caller)) return;
    if (method === 'notifications/message' && !isWanted(params?.['level'], this.#logLevel)) return;
    if (method === 'notifications/resources/updated' && !this.#watched.has(String(params?.['uri']))) return;
    this.tell(method, params);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#rounds.close();
    this.#rootsNews.close();
    // Closing a server aborts the signals of its requests.
    await Promise.allSettled([...this.#servers.keys()].map((server) => server.close()));
    this.#servers.clear();
    try {
      this.#detach?.();
    } catch (error) {
      this.#shared.options.logger.error({ err: error }, 'a client could not be taken leave of');
    }
    this.#detach = undefined;
    this.#shared.onclose(this);
  }

  #serves(method: string): boolean {
    if (TOOL_METHODS.has(method) || TASK_METHODS.includes(method)) return true;
    return this.#shared.native.offered && NATIVE_METHODS.includes(method);
  }

  #arrive(name: unknown): void {
    if (this.#closed || this.#detach) return;
    if (typeof name === 'string') this.#clientName ??= oneLine(name, MAX_CLIENT_NAME);
    this.#detach = this.#shared.port.attach(this.caller);
  }

  async #handle(server: Server, era: Era, request: JSONRPCRequest, context: ServerContext): Promise<Result> {
    const envelope = context.mcpReq.envelope as Record<string, { name?: unknown } | undefined> | undefined;
    // Only now: the SDK makes servers that it never connects, and so never closes.
    this.#servers.set(server, era);
    try {
      this.#arrive(envelope?.[CLIENT_INFO_META_KEY]?.name ?? server.getClientVersion()?.name);
    } catch (error) {
      this.#shared.options.logger.error({ err: error }, 'a client could not be attached');
      // The SDK would tell the client what the error says.
      throw new ProtocolError(ProtocolErrorCode.InternalError, 'Internal error');
    }
    if (!this.#serves(request.method)) {
      throw new ProtocolError(ProtocolErrorCode.MethodNotFound, 'Method not found');
    }
    const result =
      request.method === 'tools/list'
        ? await this.#listTools(era, context)
        : await this.#answer(server, era, request, context);
    if (era === 'legacy') return result as Result;
    // A payload turns itself into JSON, so the legacy codec and our transports pass it on unparsed; the modern codec
    // adds fields of its own and needs the value.
    const value = (result instanceof Payload ? result.value : result) as Result;
    const isCacheable = request.method.endsWith('/list') || request.method === 'resources/read';
    return isCacheable && value['ttlMs'] === undefined && value['resultType'] !== 'input_required'
      ? { ...value, ttlMs: 0, cacheScope: 'private' }
      : value;
  }

  async #listTools(era: Era, context: ServerContext): Promise<Result> {
    const { exposure, options } = this.#shared;
    const { tools } = await exposure.get(this.caller, context.mcpReq.signal);
    const shown = [...tools].map(([name, { tool }]) => ({ ...tool, name }));
    const ttlMs = shown.length === 0 && options.expose !== 'direct' ? LIST_TTL_MS : CHANGING_TTL_MS;
    return {
      tools: [...withTaskSupport(era, exposedTools(options.expose)), ...shown],
      ...(era === 'modern' ? { ttlMs, cacheScope: shown.length === 0 ? 'public' : 'private' } : {}),
    };
  }

  /** Everything that may ask the client something before it is answered. */
  async #answer(server: Server, era: Era, request: JSONRPCRequest, context: ServerContext): Promise<Answer> {
    if (era === 'legacy') return this.#call(server, request, context.mcpReq);
    const { clientId } = this.caller;
    const { workspace } = this.#shared.options;
    const { params } = request;
    const key = JSON.stringify([request.method, params?.['name'] ?? params?.['uri'], params?.['arguments']]);
    return this.#rounds.run({ key, round: roundOf(context), signal: context.mcpReq.signal }, (call) =>
      this.#run(era, request, call.signal, roundLink(clientId, context, call, workspace)),
    );
  }

  /** A request of a session, whoever dispatched it. */
  #call(server: Server, request: JSONRPCRequest, way: ClientWay): Promise<Answer> {
    const { workspace } = this.#shared.options;
    const link = sessionLink(this.caller.clientId, server, way, { logLevel: this.#logLevel, workspace });
    return this.#run('legacy', request, way.signal, link);
  }

  #run(
    era: Era,
    { method, params = {} }: JSONRPCRequest,
    signal: AbortSignal,
    client: ClientLink,
  ): Promise<Answer> {
    const meta = params['_meta'] as Readonly<Record<string, unknown>> | undefined;
    const token = meta?.['progressToken'];
    const report = (progress: Progress) =>
      client.tell('notifications/progress', { ...progress, progressToken: token });
    const gate = token === undefined ? undefined : new ProgressGate(report);
    const operation: OperationContext = {
      caller: this.caller,
      signal,
      client,
      progress: gate && ((progress) => gate.report(progress)),
      meta,
    };
    const isCall = method === 'tools/call';
    const answer = isCall
      ? this.#callTool(era, params, operation)
      : this.#other(era, method, params, operation);
    return gate === undefined ? answer : answer.finally(() => gate.close());
  }

  async #other(era: Era, method: string, params: Params, operation: OperationContext): Promise<Answer> {
    const { port, native } = this.#shared;
    if (TASK_METHODS.includes(method)) {
      const forwarded = await native.task(method, params, operation);
      return forwarded ?? (await answerTask(port, era, method, params, operation));
    }
    const uri = String(params['uri']);
    if (method === 'resources/subscribe') this.#watched.add(uri);
    if (method === 'resources/unsubscribe') this.#watched.delete(uri);
    return await native.handle(method, params, operation);
  }

  /** What it makes is kept for every call that runs: so a promise only where there is something to wait for. */
  #callTool(era: Era, params: Params, operation: OperationContext): Promise<Answer> {
    const { port, options, exposure, native } = this.#shared;
    const run = ({ tools }: Exposed): Promise<Answer> => {
      const exposed = tools.get(String(params['name']));
      if (exposed) return callExposed(exposed, params, { port, native, exposure, operation });
      const answer =
        callAsTask(port, era, params, operation) ??
        callTool(port, options.expose, params, operation, options.logger);
      return answer.then((answer) => {
        const used = serverOf(params, answer);
        if (used !== undefined && this.#used.size < 10_000) this.#used.add(used);
        return answer;
      });
    };
    const known = exposure.known(operation.caller);
    return known ? run(known) : exposure.get(operation.caller, operation.signal).then(run);
  }
}
