import { randomUUID } from 'node:crypto';
import type { JSONRPCRequest, Result, ServerContext } from '@modelcontextprotocol/server';
import type { Asker, Caller, OperationContext } from '../core/caller.js';
import { type ClientLink, isWanted } from '../core/client-link.js';
import type { RuntimeEvent } from '../core/events.js';
import type { Payload } from '../core/payload.js';
import type { Progress } from '../core/upstream.js';
import type { Logger } from '../lib/log.js';
import { oneLine } from '../lib/printable.js';
import { ProgressGate } from '../lib/progress-gate.js';
import type { RuntimePort } from '../operations/table.js';
import { callTool, exposedTools, serverOf } from './call.js';
import { callExposed } from './call-exposed.js';
import { roundLink, roundOf, sessionLink } from './client-links.js';
import type { Params, WayBack } from './client-way.js';
import type { Expose } from './expose.js';
import type { Exposed, Exposure, Pin } from './exposure.js';
import { type Era, type IntroductionFacts, LIST_TTL_MS } from './introduction.js';
import { NATIVE_METHODS, type Native } from './native.js';
import { INTERNAL_ERROR, ProtocolError } from './protocol-error.js';
import { RootsNews } from './roots-news.js';
import { Rounds } from './rounds.js';
import { answerTask, callAsTask, TASK_METHODS, withTaskSupport } from './tasks.js';

type ServerNotification = Extract<RuntimeEvent, { type: 'server-notification' }>;
/** What a request is answered with. A payload turns itself into JSON, so our transports pass it on unparsed. */
export type Answer = Result | Payload;

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

/** Who speaks with the client: it is told the news, and ends when the client is gone. */
export interface Speaker {
  tell(method: string, params?: Params): void;
  close(): Promise<void>;
}

/** What all connections have in common. */
export interface Shared {
  readonly port: RuntimePort;
  readonly options: McpFaceOptions;
  readonly facts: IntroductionFacts;
  readonly exposure: Exposure;
  readonly native: Native;
  readonly onclose: (connection: Connection) => void;
}

/**
 * One client, whoever speaks with it: a session of ours, or servers of the SDK, of which each belongs to one era and over
 * stateless HTTP to one request. Nothing is said to the runtime before the client asks for something.
 */
export class Connection {
  readonly caller: Caller;
  /** Least severe level of the log that the client wants to see. */
  logLevel: string | undefined;
  readonly #shared: Shared;
  /** Those that were asked something and whose transport is open. */
  readonly #speakers = new Map<Speaker, Era>();
  readonly #rounds = new Rounds();
  readonly #rootsNews: RootsNews;
  /** Upstream servers whose news concern this client. */
  readonly #used = new Set<string>();
  readonly #watched = new Set<string>();
  #clientName: string | undefined;
  #detach: (() => void) | undefined;
  #closed = false;

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

  /** What clients are told of us at the beginning. */
  get facts(): IntroductionFacts {
    return this.#shared.facts;
  }

  get logger(): Logger {
    return this.#shared.options.logger;
  }

  /** From now on it hears what concerns the client; it must say goodbye when its transport closes. */
  enter(speaker: Speaker, era: Era): void {
    this.#speakers.set(speaker, era);
  }

  leave(speaker: Speaker): void {
    this.#speakers.delete(speaker);
  }

  /**
   * The client says who it is, or asks for something: the runtime knows of it from now on. Idempotent.
   * @throws ProtocolError -32603
   */
  arrive(name: unknown): void {
    if (this.#closed || this.#detach) return;
    if (typeof name === 'string') this.#clientName ??= oneLine(name, MAX_CLIENT_NAME);
    try {
      this.#detach = this.#shared.port.attach(this.caller);
    } catch (error) {
      this.logger.error({ err: error }, 'a client could not be attached');
      // A client would be told what the error says.
      throw new ProtocolError(INTERNAL_ERROR, 'Internal error');
    }
  }

  /** Tells the client what it has subscribed to by being connected. Over stateless HTTP nobody is. */
  tell(method: string, params?: Params): void {
    for (const [speaker, era] of this.#speakers) {
      // The other era has no way to hear of a log outside of a request.
      if (era === 'legacy' || method !== 'notifications/message') speaker.tell(method, params);
    }
  }

  onServer({ server, clientId, method, params }: ServerNotification): void {
    if (clientId !== undefined && clientId !== this.caller.clientId) return;
    if (!this.#used.has(server) && !this.#shared.exposure.shows(server, this.caller)) return;
    if (method === 'notifications/message' && !isWanted(params?.['level'], this.logLevel)) return;
    if (method === 'notifications/resources/updated' && !this.#watched.has(String(params?.['uri']))) return;
    this.tell(method, params);
  }

  /** The client said that its roots have changed. */
  rootsChanged(way: WayBack, capabilities: Params): void {
    void this.#rootsNews.tell(way, capabilities);
  }

  /** The client is gone: what it waits for is withdrawn. Idempotent, never rejects. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#rounds.close();
    this.#rootsNews.close();
    // Closing them aborts the signals of their requests.
    await Promise.allSettled([...this.#speakers.keys()].map((speaker) => speaker.close()));
    this.#speakers.clear();
    try {
      this.#detach?.();
    } catch (error) {
      this.logger.error({ err: error }, 'a client could not be taken leave of');
    }
    this.#detach = undefined;
    this.#shared.onclose(this);
  }

  /** Whether requests of this method are answered by `call` and `callInRounds`. */
  serves(method: string): boolean {
    if (TOOL_METHODS.has(method) || TASK_METHODS.includes(method)) return true;
    return this.#shared.native.offered && NATIVE_METHODS.includes(method);
  }

  /** A request of a session, whoever dispatched it. Rejects with a ProtocolError. */
  call(request: JSONRPCRequest, way: WayBack, capabilities: Params, signal: AbortSignal): Promise<Answer> {
    if (request.method === 'tools/list') return this.#listTools('legacy', signal);
    const { clientId } = this.caller;
    const { workspace } = this.#shared.options;
    const client = { clientId, capabilities, logLevel: this.logLevel, workspace };
    return this.#run('legacy', request, signal, sessionLink(client, way, signal));
  }

  /** A request of 2026-07-28: a question to its client may be its answer. Rejects with a ProtocolError. */
  async callInRounds(request: JSONRPCRequest, context: ServerContext): Promise<Answer> {
    const { signal } = context.mcpReq;
    if (request.method === 'tools/list') return this.#listTools('modern', signal);
    const { clientId } = this.caller;
    const { workspace } = this.#shared.options;
    const { params } = request;
    const key = JSON.stringify([request.method, params?.['name'] ?? params?.['uri'], params?.['arguments']]);
    return this.#rounds.run({ key, round: roundOf(context), signal }, (call) =>
      this.#run('modern', request, call.signal, roundLink(clientId, context, call, workspace)),
    );
  }

  async #listTools(era: Era, signal: AbortSignal): Promise<Result> {
    const { exposure, options } = this.#shared;
    const { tools } = await exposure.get(this.caller, signal);
    const shown = [...tools].map(([name, { tool }]) => ({ ...tool, name }));
    const ttlMs = shown.length === 0 && options.expose !== 'direct' ? LIST_TTL_MS : CHANGING_TTL_MS;
    return {
      tools: [...withTaskSupport(era, exposedTools(options.expose)), ...shown],
      ...(era === 'modern' ? { ttlMs, cacheScope: shown.length === 0 ? 'public' : 'private' } : {}),
    };
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
