import {
  type CreateMcpHandlerOptions,
  classifyInboundRequest,
  createMcpHandler,
  type McpHttpHandler,
} from '@modelcontextprotocol/server';
import { type Context, Hono } from 'hono';
import type { Logger } from '../lib/log.js';
import type { Expose } from '../mcp/expose.js';
import type { Pin } from '../mcp/exposure.js';
import { type Announcement, createMcpFace } from '../mcp/face.js';
import { sdkServer } from '../mcp/sdk-server.js';
import type { RuntimePort } from '../operations/table.js';
import { notAllowed, refusal, refuseAsRpc, tooManySessions } from './answers.js';
import {
  type AccessEnv,
  type Authentication,
  authentication,
  authenticator,
  mustBeSafe,
} from './authentication.js';
import { readJson } from './body.js';
import { cors, corsHeaders } from './cors.js';
import { EventLog } from './event-log.js';
import { guard, hostCheck, LOOPBACK_HOSTS } from './guard.js';
import { type HttpListener, isLoopback, listen, namesOfHost, type Timeouts } from './listen.js';
import { type SessionLimits, Sessions } from './sessions.js';
import { acceptsBoth, ShortWay } from './short-way.js';
import { SseTransport } from './sse.js';
import { type StatelessClient, statelessClient } from './stateless.js';
import { legacyOther, legacyPost, type StreamableSession } from './streamable.js';

export interface HttpFaceOptions extends Authentication {
  readonly expose: Expose;
  readonly pins?: readonly Pin[] | undefined;
  readonly wholePins?: boolean | undefined;
  readonly version: string;
  readonly logger: Logger;
  /** What we say of ourselves as a resource server (RFC 9728), under the address that is said with a 401. */
  readonly resource?: { readonly metadata: object } | undefined;
  /** As in `hostGuard`. Default: loopback, and the names of the address that is listened on. */
  readonly allowedHosts?: readonly string[] | undefined;
  /** As in `hostGuard`. Default: loopback. */
  readonly allowedOrigins?: readonly string[] | undefined;
  /** Pages of these origins may call, and read answers. Default: none may read any. */
  readonly corsOrigins?: readonly string[] | undefined;
  /** Connections at once; further ones are closed. Default 2048. */
  readonly maxConnections?: number | undefined;
  /** Default 4 MiB. */
  readonly maxBodyBytes?: number | undefined;
  /** For each kind of session. Default 256, 64 of them for one holder, 30 minutes. */
  readonly sessions?: Partial<SessionLimits> | undefined;
  readonly timeouts?: Timeouts | undefined;
}

export interface HttpFace {
  /**
   * @throws RuntimeError PORT_IN_USE; UNAUTHORIZED when it would be reachable from elsewhere without a token;
   * CONFIG_INVALID when the address cannot be bound.
   */
  listen(address: { host: string; port: number }): Promise<HttpListener>;
}

const MESSAGES = '/messages';
/** Of all sessions together. */
const RESUMABLE_BYTES = 32 * 1_048_576;

/** MCP over HTTP: streamable in both eras at `/mcp`, HTTP+SSE at `/sse`. */
export function createHttpFace(port: RuntimePort, options: HttpFaceOptions): HttpFace {
  const { logger } = options;
  const face = createMcpFace(port, options);
  const limits = { max: 256, maxPerOwner: 64, idleMs: 1_800_000, ...options.sessions };
  const maxBodyBytes = options.maxBodyBytes ?? 4 * 1_048_576;
  const legacy = {
    face,
    sessions: new Sessions<StreamableSession>(limits),
    events: new EventLog(RESUMABLE_BYTES),
  };
  const streams = new Sessions<SseTransport>(limits);
  const stateless = new Sessions<StatelessClient>(limits);
  const onerror: NonNullable<CreateMcpHandlerOptions['onerror']> = (error) =>
    logger.debug({ err: error }, 'http');
  const modern = createMcpHandler(
    (context) => {
      const client = context.authInfo?.extra?.['client'] as StatelessClient | undefined;
      if (!client) throw new Error('a stateless request without its client');
      // Checked against the body before.
      return client.server(context.requestInfo?.headers.get('mcp-method') ?? undefined);
    },
    { legacy: 'reject', onerror, maxRequestBodySize: maxBodyBytes },
  );

  face.announcements((announcement) => publish(modern.notify, announcement));

  async function mcp(c: Context<AccessEnv>): Promise<Response> {
    const request = c.req.raw;
    const access = c.get('access');
    const { incoming, outgoing, handed } = c.env;
    if (request.method !== 'POST') return legacyOther(legacy, request, access, outgoing);
    if (!acceptsBoth(request.headers.get('accept'))) {
      return refusal(406, 'The client must accept both application/json and text/event-stream');
    }
    const body = handed?.body ?? (await readJson(incoming, maxBodyBytes));
    if (!body.ok) return body.refusal;
    const kind = eraOf(request, body.value);
    if (kind === 'legacy') return legacyPost(legacy, request, access, body.value, c.env);
    // What cannot be classified is refused by the handler, which knows how, without asking for a server.
    if (kind === 'reject') return modern.fetch(request, { parsedBody: body.value });
    const client = statelessClient(face, stateless, access, body.value, outgoing);
    if (!client) return tooManySessions();
    // The SDK's way to hand something on to the factory; the token itself stays here.
    const authInfo = { token: '', clientId: access.principal, scopes: [], extra: { client } };
    return modern.fetch(request, { authInfo, parsedBody: body.value });
  }

  async function openStream(c: Context<AccessEnv>): Promise<Response> {
    if (!(c.req.header('accept') ?? '').includes('text/event-stream')) {
      return refusal(406, 'The client must accept text/event-stream');
    }
    const access = c.get('access');
    if (!streams.hasRoom(access)) return tooManySessions();
    const { principal, restriction } = access;
    const connection = face.connect({ principal, restriction });
    const transport = new SseTransport(connection, MESSAGES, (id) => streams.remove(id));
    streams.add(transport.sessionId, access, transport);
    streams.find(transport.sessionId, access, c.env.outgoing);
    await sdkServer(connection, 'legacy').connect(transport);
    return transport.response;
  }

  async function postMessage(c: Context<AccessEnv>): Promise<Response> {
    const body = await readJson(c.env.incoming, maxBodyBytes);
    if (!body.ok) return body.refusal;
    const transport = streams.find(c.req.query('sessionId') ?? '', c.get('access'), c.env.outgoing);
    return transport?.receive(body.value) ?? refusal(404, 'Session not found');
  }

  const checkFor = (names: readonly string[]) =>
    hostCheck({
      allowedHosts: options.allowedHosts ?? names,
      allowedOrigins: [...(options.allowedOrigins ?? LOOPBACK_HOSTS), ...(options.corsOrigins ?? [])],
    });
  let check = checkFor(LOOPBACK_HOSTS);
  const headersFor = corsHeaders(options.corsOrigins ?? []);
  const authenticate = authenticator(options);
  const app = new Hono<AccessEnv>();
  app.use(
    '*',
    guard((...request) => check(...request), refuseAsRpc),
  );
  app.use('*', cors(headersFor));
  app.get('/health', (c) => c.json({ status: 'ok', version: options.version }));
  const { resource } = options;
  if (resource) app.get('/.well-known/oauth-protected-resource/*', (c) => c.json(resource.metadata));
  app.use('*', authentication(authenticate));
  app.on(['GET', 'POST', 'DELETE'], '/mcp', mcp);
  app.get('/sse', openStream);
  app.post(MESSAGES, postMessage);
  app.all('/mcp', () => notAllowed('GET, POST, DELETE'));
  app.all('/sse', () => notAllowed('GET'));
  app.all(MESSAGES, () => notAllowed('POST'));
  app.all('/health', () => notAllowed('GET'));
  app.notFound(() => refusal(404, 'Not found'));
  app.onError((error) => {
    logger.error({ err: error }, 'an HTTP request failed in a way nobody foresaw');
    return refusal(500, 'Internal error', { code: -32_603 });
  });

  const shortWay = new ShortWay({
    check: (...request) => check(...request),
    authenticate,
    corsHeaders: headersFor,
    sessions: legacy.sessions,
    maxBodyBytes,
    logger,
  });

  return {
    listen: async (address) => {
      await mustBeSafe(address.host, options);
      if (!isLoopback(address.host)) check = checkFor([...LOOPBACK_HOSTS, ...namesOfHost(address.host)]);
      return listen((request, env: AccessEnv['Bindings']) => app.fetch(request, env), {
        ...address,
        logger,
        shortWay,
        timeouts: options.timeouts,
        maxConnections: options.maxConnections,
        onclose: async () => {
          await Promise.allSettled([
            legacy.sessions.close(),
            streams.close(),
            stateless.close(),
            modern.close(),
          ]);
        },
      });
    },
  };
}

/** Subscriptions of the stateless revision are kept by the SDK. */
function publish(notify: McpHttpHandler['notify'], { method, params }: Announcement): void {
  if (method === 'notifications/tools/list_changed') notify.toolsChanged();
  if (method === 'notifications/prompts/list_changed') notify.promptsChanged();
  if (method === 'notifications/resources/list_changed') notify.resourcesChanged();
  if (method === 'notifications/resources/updated') notify.resourceUpdated(String(params?.['uri']));
}

/** `reject`: what fits neither era. */
function eraOf(request: Request, body: unknown): 'legacy' | 'modern' | 'reject' {
  const version = request.headers.get('mcp-protocol-version');
  const method = request.headers.get('mcp-method');
  const name = request.headers.get('mcp-name');
  return classifyInboundRequest({
    httpMethod: 'POST',
    ...(version === null ? {} : { protocolVersionHeader: version }),
    ...(method === null ? {} : { mcpMethodHeader: method }),
    ...(name === null ? {} : { mcpNameHeader: name }),
    body,
  }).kind;
}
