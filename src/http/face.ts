import {
  type CreateMcpHandlerOptions,
  classifyInboundRequest,
  createMcpHandler,
  type McpHttpHandler,
} from '@modelcontextprotocol/server';
import { type Context, Hono, type MiddlewareHandler } from 'hono';
import type { Logger } from '../lib/log.js';
import type { Expose } from '../mcp/expose.js';
import type { Pin } from '../mcp/exposure.js';
import { type Announcement, createMcpFace } from '../mcp/face.js';
import type { RuntimePort } from '../operations/table.js';
import { notAllowed, refusal, refuseAsRpc, tooManySessions } from './answers.js';
import { authentication, mustBeSafe } from './authentication.js';
import { readJson } from './body.js';
import { EventLog } from './event-log.js';
import { type BearerEnv, hostGuard, LOOPBACK_HOSTS } from './guard.js';
import { type HttpListener, isLoopback, listen, namesOfHost, type Timeouts } from './listen.js';
import { type SessionLimits, Sessions } from './sessions.js';
import { SseTransport } from './sse.js';
import { type StatelessClient, statelessClient } from './stateless.js';
import { legacyOther, legacyPost, type StreamableSession } from './streamable.js';

export interface HttpFaceOptions {
  readonly expose: Expose;
  readonly pins?: readonly Pin[] | undefined;
  readonly wholePins?: boolean | undefined;
  readonly version: string;
  readonly logger: Logger;
  /** Who holds the token; undefined when nobody does. Compares in constant time (`sameSecret`). */
  readonly verifyToken?: ((token: string) => Promise<{ principal: string } | undefined>) | undefined;
  /** Whether a request without a token is refused. Default: when `verifyToken` is given. Needed to leave loopback. */
  readonly requireToken?: boolean | undefined;
  /** As in `hostGuard`. Default: loopback, and the names of the address that is listened on. */
  readonly allowedHosts?: readonly string[] | undefined;
  /** As in `hostGuard`. Default: loopback. */
  readonly allowedOrigins?: readonly string[] | undefined;
  /** Default 4 MiB. */
  readonly maxBodyBytes?: number | undefined;
  /** For each kind of session. Default 256, 30 minutes. */
  readonly sessions?: Partial<SessionLimits> | undefined;
  readonly timeouts?: Timeouts | undefined;
}

export interface HttpFace {
  /** For tests without a socket; `listen` serves it. */
  readonly app: Hono<FaceEnv>;
  /**
   * @throws RuntimeError PORT_IN_USE; UNAUTHORIZED when it would be reachable from elsewhere without a token;
   * CONFIG_INVALID when the address cannot be bound.
   */
  listen(address: { host: string; port: number }): Promise<HttpListener>;
}

interface FaceEnv extends BearerEnv {
  Bindings: { outgoing?: { once(event: 'close', listener: () => void): unknown } };
}

const MESSAGES = '/messages';
/** Of all sessions together. */
const RESUMABLE_BYTES = 64 * 1_048_576;

/** MCP over HTTP: streamable in both eras at `/mcp`, HTTP+SSE at `/sse`. */
export function createHttpFace(port: RuntimePort, options: HttpFaceOptions): HttpFace {
  const { logger } = options;
  const face = createMcpFace(port, options);
  const limits = { max: options.sessions?.max ?? 256, idleMs: options.sessions?.idleMs ?? 1_800_000 };
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
      return client.createServer(context.requestInfo?.headers.get('mcp-method') ?? undefined);
    },
    { legacy: 'reject', onerror, maxRequestBodySize: maxBodyBytes },
  );

  face.announcements((announcement) => publish(modern.notify, announcement));

  async function mcp(c: Context<FaceEnv>): Promise<Response> {
    const request = c.req.raw;
    const principal = c.get('principal');
    const outgoing = c.env?.outgoing;
    if (request.method !== 'POST') return legacyOther(legacy, request, principal, outgoing);
    const accept = request.headers.get('accept') ?? '';
    if (!accept.includes('application/json') || !accept.includes('text/event-stream')) {
      return refusal(406, 'The client must accept both application/json and text/event-stream');
    }
    const body = await readJson(request, maxBodyBytes);
    if (!body.ok) return body.refusal;
    const kind = eraOf(request, body.value);
    if (kind === 'legacy') return legacyPost(legacy, request, principal, body.value, outgoing);
    // What cannot be classified is refused by the handler, which knows how, without asking for a server.
    if (kind === 'reject') return modern.fetch(request, { parsedBody: body.value });
    const client = statelessClient(face, stateless, principal, body.value, outgoing);
    if (!client) return tooManySessions();
    // The SDK's way to hand something on to the factory; the token itself stays here.
    const authInfo = { token: '', clientId: principal, scopes: [], extra: { client } };
    return modern.fetch(request, { authInfo, parsedBody: body.value });
  }

  async function openStream(c: Context<FaceEnv>): Promise<Response> {
    if (!(c.req.header('accept') ?? '').includes('text/event-stream')) {
      return refusal(406, 'The client must accept text/event-stream');
    }
    if (!streams.hasRoom()) return tooManySessions();
    const principal = c.get('principal');
    const connection = face.connect({ principal });
    const transport = new SseTransport(connection, MESSAGES, (id) => streams.remove(id));
    streams.add(transport.sessionId, principal, transport);
    streams.find(transport.sessionId, principal, c.env?.outgoing);
    await connection.createServer('legacy').connect(transport);
    return transport.response;
  }

  async function postMessage(c: Context<FaceEnv>): Promise<Response> {
    const body = await readJson(c.req.raw, maxBodyBytes);
    if (!body.ok) return body.refusal;
    const transport = streams.find(c.req.query('sessionId') ?? '', c.get('principal'), c.env?.outgoing);
    return transport?.receive(body.value) ?? refusal(404, 'Session not found');
  }

  const guardFor = (names: readonly string[]) =>
    hostGuard({
      allowedHosts: options.allowedHosts ?? names,
      allowedOrigins: options.allowedOrigins,
      refuse: refuseAsRpc,
    });
  let guard: MiddlewareHandler = guardFor(LOOPBACK_HOSTS);
  const authenticate = authentication(options);
  const app = new Hono<FaceEnv>();
  app.use('*', (c, next) => guard(c, next));
  app.get('/health', (c) => c.json({ status: 'ok', version: options.version }));
  app.use('*', authenticate);
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

  return {
    app,
    listen: async (address) => {
      mustBeSafe(address.host, options);
      if (!isLoopback(address.host)) guard = guardFor([...LOOPBACK_HOSTS, ...namesOfHost(address.host)]);
      return listen(app.fetch, {
        ...address,
        logger,
        timeouts: options.timeouts,
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
