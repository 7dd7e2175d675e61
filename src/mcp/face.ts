import { randomUUID } from 'node:crypto';
import {
  CLIENT_INFO_META_KEY,
  type JSONRPCRequest,
  ProtocolError,
  ProtocolErrorCode,
  type Result,
  Server,
  type ServerContext,
} from '@modelcontextprotocol/server';
import type { Caller } from '../core/caller.js';
import { Payload } from '../core/payload.js';
import type { Logger } from '../lib/log.js';
import { oneLine } from '../lib/printable.js';
import { ProgressGate } from '../lib/progress-gate.js';
import type { RuntimePort } from '../operations/table.js';
import { callTool, type Expose, exposedTools } from './call.js';

export interface McpFaceOptions {
  readonly expose: Expose;
  readonly version: string;
  readonly logger: Logger;
}

/** The two families of protocol revisions: up to 2025-11-25 with `initialize`, and 2026-07-28 without. */
type Era = 'legacy' | 'modern';

export interface McpFace {
  readonly logger: Logger;
  /** A new client. Nothing is said to the runtime before the client asks for something. */
  connect(client: { principal: string; clientName?: string | undefined }): McpConnection;
}

/** One client. It may need several servers: each belongs to one era, and over stateless HTTP to one request. */
export interface McpConnection {
  readonly caller: Caller;
  /**
   * A server for the SDK to connect to a transport.
   * @param method of the one request that it is for, where the transport knows it.
   */
  createServer(era: Era, method?: string): Server;
  /** The client is gone: what it waits for is withdrawn. Idempotent, never rejects. */
  close(): Promise<void>;
}

/** Said to the model once; the same path through the operations as their descriptions. */
const INSTRUCTIONS: Readonly<Record<Expose, string>> = {
  tools:
    'One connection to many MCP servers. Find a tool with search_tools (plain words), read its arguments with get_tool_details, run it with execute_tool; servers start by themselves. Large results come as [Reference: id]: read the part you need with get_content.',
  router:
    'One connection to many MCP servers, behind one tool. Call semantic_router with operation search_tools (plain words) to find a tool, get_tool_details for its arguments, execute_tool to run it; servers start by themselves. Large results come as [Reference: id]: read the part you need with get_content.',
};

/** What is not answered by the SDK itself. */
const SERVED: ReadonlySet<string> = new Set(['tools/list', 'tools/call']);

/** The definitions are fixed for the life of the process. */
const LIST_TTL_MS = 3_600_000;

const MAX_CLIENT_NAME = 128;

/** MCP over a runtime, whatever the transport. */
export function createMcpFace(port: RuntimePort, options: McpFaceOptions): McpFace {
  return {
    logger: options.logger,
    connect: ({ principal, clientName }) => new Connection(port, options, principal, clientName),
  };
}

class Connection implements McpConnection {
  readonly caller: Caller;
  readonly #port: RuntimePort;
  readonly #options: McpFaceOptions;
  /** Those that were asked something and whose transport is open. */
  readonly #servers = new Set<Server>();
  #clientName: string | undefined;
  #detach: (() => void) | undefined;
  #closed = false;

  constructor(port: RuntimePort, options: McpFaceOptions, principal: string, clientName: string | undefined) {
    this.#port = port;
    this.#options = options;
    this.#clientName = clientName;
    const name = () => this.#clientName;
    this.caller = {
      principal,
      clientId: randomUUID(),
      // A client says its name in its first message, after the connection was made.
      get clientName() {
        return name();
      },
    };
  }

  createServer(era: Era, method?: string): Server {
    const server = new Server(
      { name: 'mcp-runtime', version: this.#options.version },
      {
        capabilities: { tools: {} },
        instructions: INSTRUCTIONS[this.#options.expose],
        cacheHints: { 'server/discover': { ttlMs: LIST_TTL_MS, cacheScope: 'public' } },
        // Nothing is elicited here; the default compiles a validator for each server, thus for each stateless request.
        jsonSchemaValidator: {
          getValidator: () => () => ({ valid: false, data: undefined, errorMessage: '' }),
        },
      },
    );
    // Registered handlers strip unknown fields and refuse content types of later revisions; the fallback passes both.
    // Without it the SDK answers an unknown method before it hands on, which over stateless HTTP makes it a 404.
    if (method === undefined || SERVED.has(method)) {
      server.fallbackRequestHandler = (request, context) => this.#handle(server, era, request, context);
    }
    server.oninitialized = () => this.#arrive(server.getClientVersion()?.name);
    server.onerror = (error) => this.#options.logger.debug({ err: error }, 'mcp connection');
    server.onclose = () => this.#servers.delete(server);
    return server;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    // Closing a server aborts the signals of its requests.
    await Promise.allSettled([...this.#servers].map((server) => server.close()));
    this.#servers.clear();
    try {
      this.#detach?.();
    } catch (error) {
      this.#options.logger.error({ err: error }, 'a client could not be taken leave of');
    }
    this.#detach = undefined;
  }

  #arrive(name: unknown): void {
    if (this.#closed || this.#detach) return;
    if (typeof name === 'string') this.#clientName ??= oneLine(name, MAX_CLIENT_NAME);
    this.#detach = this.#port.attach(this.caller);
  }

  async #handle(server: Server, era: Era, request: JSONRPCRequest, context: ServerContext): Promise<Result> {
    const envelope = context.mcpReq.envelope as Record<string, { name?: unknown } | undefined> | undefined;
    // Only now: the SDK makes servers that it never connects, and so never closes.
    this.#servers.add(server);
    try {
      this.#arrive(envelope?.[CLIENT_INFO_META_KEY]?.name ?? server.getClientVersion()?.name);
    } catch (error) {
      this.#options.logger.error({ err: error }, 'a client could not be attached');
      // The SDK would tell the client what the error says.
      throw new ProtocolError(ProtocolErrorCode.InternalError, 'Internal error');
    }
    switch (request.method) {
      case 'tools/list':
        return {
          tools: exposedTools(this.#options.expose),
          ...(era === 'modern' ? { ttlMs: LIST_TTL_MS, cacheScope: 'public' } : {}),
        };
      case 'tools/call':
        return this.#call(era, request, context);
      default:
        throw new ProtocolError(ProtocolErrorCode.MethodNotFound, 'Method not found');
    }
  }

  async #call(era: Era, request: JSONRPCRequest, context: ServerContext): Promise<Result> {
    const meta = context.mcpReq._meta;
    const token = meta?.progressToken;
    const gate =
      token === undefined
        ? undefined
        : new ProgressGate((progress) => {
            const params = { ...progress, progressToken: token };
            context.mcpReq.notify({ method: 'notifications/progress', params }).catch(() => {
              // The client left; its result will find out too.
            });
          });
    try {
      const result = await callTool(
        this.#port,
        this.#options.expose,
        request.params,
        {
          caller: this.caller,
          signal: context.mcpReq.signal,
          progress: gate && ((progress) => gate.report(progress)),
          meta,
        },
        this.#options.logger,
      );
      // A payload turns itself into JSON, so the legacy codec and our transports pass it on unparsed; the modern codec
      // adds fields of its own and needs the value.
      return (era === 'modern' && result instanceof Payload ? result.value : result) as Result;
    } finally {
      gate?.close();
    }
  }
}
