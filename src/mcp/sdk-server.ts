import { type JSONRPCRequest, type Result, Server, type ServerContext } from '@modelcontextprotocol/server';
import { z } from 'zod';
import { Payload } from '../core/payload.js';
import type { Answer, Connection, Speaker } from './connection.js';
import { type Era, introduction, LIST_TTL_MS } from './introduction.js';
import { CLIENT_INFO_KEY } from './meta-keys.js';
import { METHOD_NOT_FOUND, ProtocolError } from './protocol-error.js';
import { capabilitiesOf, requestWay, sessionWay } from './sdk-way.js';

export interface SdkServerOptions {
  /** Of the one request that it is for, where the transport knows it. */
  readonly method?: string | undefined;
  /** It only helps a session of ours, which is told the news and cares for the rest of the client. */
  readonly helps?: boolean | undefined;
  /** With each request, and once the client says that it is ready. */
  readonly onReady?: ((server: Server) => void) | undefined;
  readonly onClose?: (() => void) | undefined;
}

/** A server for the SDK to connect to a transport of the client. */
export function sdkServer(connection: Connection, era: Era, options: SdkServerOptions = {}): Server {
  const { method, helps = false, onReady, onClose } = options;
  const server = makeServer(connection, era);
  const speaker: Speaker = { tell: sessionWay(server).tell, close: () => server.close() };
  /** Only with what a client says: the SDK makes servers that it never connects, and so never closes. */
  const arrive = (name: unknown = server.getClientVersion()?.name) => {
    if (!helps) connection.enter(speaker, era);
    onReady?.(server);
    connection.arrive(name);
  };
  const handle = async (request: JSONRPCRequest, context: ServerContext): Promise<Result> => {
    const envelope = context.mcpReq.envelope as Record<string, { name?: unknown } | undefined> | undefined;
    arrive(envelope?.[CLIENT_INFO_KEY]?.name);
    if (!connection.serves(request.method)) throw new ProtocolError(METHOD_NOT_FOUND, 'Method not found');
    if (era === 'modern') return asModern(request.method, await connection.callInRounds(request, context));
    const way = requestWay(context.mcpReq);
    return (await connection.call(request, way, capabilitiesOf(server), context.mcpReq.signal)) as Result;
  };
  server.setRequestHandler('logging/setLevel', async ({ params }) => {
    connection.logLevel = params.level;
    return {};
  });
  if (era === 'legacy' && !helps)
    server.setNotificationHandler('notifications/roots/list_changed', () =>
      connection.rootsChanged(sessionWay(server), capabilitiesOf(server)),
    );
  if (era === 'modern') registerTaskMethods(server, handle);
  // Registered handlers strip unknown fields and refuse content types of later revisions; the fallback passes both.
  // Without it the SDK answers an unknown method before it hands on, which over stateless HTTP makes it a 404.
  if (method === undefined || connection.serves(method)) server.fallbackRequestHandler = handle;
  server.oninitialized = () => arrive();
  server.onerror = (error) => connection.logger.debug({ err: error }, 'mcp connection');
  server.onclose = () => {
    connection.leave(speaker);
    onClose?.();
  };
  return server;
}

/** As it introduces itself; its handlers come later. */
function makeServer({ facts }: Connection, era: Era): Server {
  const { serverInfo, capabilities, instructions } = introduction(era, facts);
  return new Server(serverInfo, {
    capabilities,
    instructions,
    cacheHints: { 'server/discover': { ttlMs: LIST_TTL_MS, cacheScope: 'public' } },
    // What is elicited is for the asking server to judge; the default compiles a validator for each server.
    jsonSchemaValidator: {
      getValidator: () => () => ({ valid: false, data: undefined, errorMessage: '' }),
    },
  });
}

/** In 2026-07-28 the SDK hands these two on only where they are registered by name. */
function registerTaskMethods(
  server: Server,
  handle: (request: JSONRPCRequest, context: ServerContext) => Promise<Result>,
): void {
  for (const method of ['tasks/get', 'tasks/cancel'])
    server.setRequestHandler(method, { params: z.looseObject({}) }, (params, context) =>
      handle({ jsonrpc: '2.0', id: context.mcpReq.id, method, params }, context),
    );
}

/** The codec of this era adds fields of its own and needs the value; what may be kept says for how long. */
function asModern(method: string, answer: Answer): Result {
  const value = (answer instanceof Payload ? answer.value : answer) as Result;
  const isCacheable = method.endsWith('/list') || method === 'resources/read';
  return isCacheable && value['ttlMs'] === undefined && value['resultType'] !== 'input_required'
    ? { ...value, ttlMs: 0, cacheScope: 'private' }
    : value;
}
