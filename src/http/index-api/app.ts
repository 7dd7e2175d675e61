import { type Context, Hono, type MiddlewareHandler } from 'hono';
import { etag } from 'hono/etag';
import { HTTPException } from 'hono/http-exception';
import { errorTable } from '../../core/error-table.js';
import { RuntimeError } from '../../core/errors.js';
import { bearerGuard, hostGuard, sameSecret } from '../guard.js';
import { createHandlers } from './handlers.js';
import { openApiDocument } from './openapi.js';
import { BASE_PATH, type Route, type RouteId, routes, SECOND_SPELLING } from './routes.js';
import { sealStartup } from './seal.js';
import { secondSpelling } from './spelling.js';
import type { IndexStore } from './store.js';
import { Failure, ValidationFailure } from './validation.js';

export interface IndexAppOptions {
  readonly store: IndexStore;
  /** Asked for as a bearer token. Without one everybody who gets past the Host check may do everything. */
  readonly apiKey?: string | undefined;
  /** `ENCRYPTION_KEY`: a Fernet key under which startup configurations are stored. */
  readonly encryptionKey?: string | undefined;
  readonly version: string;
  /** See `hostGuard`; the loopback names by default, so listening elsewhere needs them. */
  readonly allowedHosts?: readonly string[] | undefined;
  readonly allowedOrigins?: readonly string[] | undefined;
  /** Bytes of a request; an uploaded file may have ten times as many. Default 1 MiB. */
  readonly maxBodyBytes?: number | undefined;
  /** Hears of errors that are nobody's mistake but ours. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/**
 * The mcp_index HTTP API over a store.
 * @throws RuntimeError CONFIG_INVALID when the encryption key is no Fernet key.
 */
export function createIndexApp(options: IndexAppOptions): Hono {
  const apiKey = options.apiKey || undefined;
  const encryptionKey = options.encryptionKey || undefined;
  if (encryptionKey !== undefined)
    sealStartup({ transport: 'http', url: '-', headers: {}, timeout: 1 }, encryptionKey);
  const maxBytes = options.maxBodyBytes ?? 1024 * 1024;
  const app = new Hono();
  const refuse = (c: Context, status: 401 | 403, error: RuntimeError) =>
    c.json({ detail: error.message }, status);
  app.use(hostGuard({ allowedHosts: options.allowedHosts, allowedOrigins: options.allowedOrigins, refuse }));
  const document = openApiDocument({ version: options.version, secured: apiKey !== undefined });
  app.get('/openapi.json', (c) => c.json(document));
  if (apiKey !== undefined) {
    app.use(
      `${BASE_PATH}/*`,
      bearerGuard({ verify: (token) => (sameSecret(token, apiKey) ? 'index' : undefined), refuse }),
    );
  }
  const tag = etag();
  // A tag of a startup configuration would be a hash of its secrets.
  app.get(`${BASE_PATH}/*`, (c, next) => (c.req.path.endsWith('/command') ? next() : tag(c, next)));

  const handlers = createHandlers({ store: options.store, encryptionKey });
  for (const [id, route] of Object.entries(routes) as [RouteId, Route][]) {
    const answer = async (c: Context) => respond(c, await handlers[id](c), route.status ?? 200);
    // Where no body belongs, none is read.
    if (route.body === undefined && !route.upload) app.on(route.method, pathOf(route), answer);
    else app.on(route.method, pathOf(route), limited(route.upload ? 10 * maxBytes : maxBytes), answer);
  }
  for (const path of new Set(Object.values(routes).map(pathOf))) {
    app.all(path, (c) => c.json({ detail: 'Method Not Allowed' }, 405, { Allow: allowed(path) }));
  }
  app.notFound((c) => c.json({ detail: 'Not Found' }, 404));
  app.onError((error, c) => failed(c, error, options.onError));
  return app;
}

function pathOf(route: Route): string {
  return `${BASE_PATH}${route.path.replace(/\{(\w+)\}/g, ':$1')}`;
}

function allowed(path: string): string {
  return Object.values(routes)
    .filter((route) => pathOf(route) === path)
    .map((route) => route.method.toUpperCase())
    .join(', ');
}

/** Not hono's own `bodyLimit`: it makes a Request of a Request, which fails for those that node-server gives. */
function limited(maxSize: number): MiddlewareHandler {
  return async (c, next) => {
    const tooLarge = () => c.json({ detail: `The request is larger than ${maxSize} bytes` }, 413);
    const said = c.req.header('content-length');
    if (said !== undefined && Number(said) > maxSize) return tooLarge();
    // What says its length may not send more; what does not is read here, up to the limit.
    if (said === undefined) {
      const { method, headers, signal, url } = c.req.raw;
      const body = await readUpTo(c.req.raw.body, maxSize);
      if (!body) return tooLarge();
      c.req.raw = new Request(url, { method, headers, signal, body });
    }
    return next();
  };
}

async function readUpTo(
  stream: ReadableStream<Uint8Array> | null,
  maxSize: number,
): Promise<Buffer | undefined> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream ?? []) {
    size += chunk.byteLength;
    if (size > maxSize) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function respond(c: Context, answer: object, status: 200 | 201): Response {
  c.header('Vary', 'Accept');
  if (!c.req.header('accept')?.toLowerCase().includes(SECOND_SPELLING)) return c.json(answer, status);
  return c.body(JSON.stringify(secondSpelling(answer)), status, { 'Content-Type': SECOND_SPELLING });
}

function failed(c: Context, error: unknown, onError: IndexAppOptions['onError']): Response {
  const answer = (status: number, detail: unknown) =>
    new Response(JSON.stringify({ detail }), {
      status,
      headers: { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' },
    });
  if (error instanceof ValidationFailure) return answer(422, error.detail);
  if (error instanceof Failure) return answer(error.status, error.message);
  if (error instanceof HTTPException) return answer(error.status, error.message || 'Bad Request');
  if (error instanceof RuntimeError && error.code !== 'INTERNAL') {
    return answer(errorTable[error.code].http, [error.message, error.hint].filter(Boolean).join(' '));
  }
  if (c.req.raw.signal.aborted) return answer(499, 'The client closed the request');
  onError?.(error);
  return answer(500, 'Internal Server Error');
}
