import type { MiddlewareHandler } from 'hono';

/** What a client of MCP in a browser sends and reads (2025-11-25, Transports). */
const SENT = [
  'Accept',
  'Authorization',
  'Content-Type',
  'Last-Event-ID',
  'Mcp-Method',
  'Mcp-Name',
  'Mcp-Protocol-Version',
  'Mcp-Session-Id',
];
const READ = ['Mcp-Session-Id', 'Mcp-Protocol-Version', 'WWW-Authenticate', 'Retry-After'];

/** What lets a page read an answer; undefined for a page that may not. */
export type CorsHeaders = (origin: string | undefined) => Readonly<Record<string, string>> | undefined;

/**
 * Lets pages of these origins, and no others, read answers. Cookies are not used, so credentials stay forbidden.
 * @param origins exactly as browsers send them (`https://app.example`).
 */
export function corsHeaders(origins: readonly string[]): CorsHeaders {
  const allowed = new Set(origins.map((origin) => origin.toLowerCase()));
  return (origin) =>
    origin === undefined || !allowed.has(origin.toLowerCase())
      ? undefined
      : {
          'Access-Control-Allow-Origin': origin,
          Vary: 'Origin',
          'Access-Control-Expose-Headers': READ.join(', '),
        };
}

/** Puts these headers on every answer, and answers the question that a browser asks first. */
export function cors(headersFor: CorsHeaders): MiddlewareHandler {
  return async (c, next) => {
    const headers = headersFor(c.req.header('origin'));
    if (headers === undefined) return next();
    if (c.req.method === 'OPTIONS' && c.req.header('access-control-request-method') !== undefined) {
      return new Response(null, {
        status: 204,
        headers: {
          ...headers,
          'Access-Control-Allow-Methods': 'GET, POST, DELETE',
          'Access-Control-Allow-Headers': SENT.join(', '),
          'Access-Control-Max-Age': '600',
        },
      });
    }
    await next();
    // Answers of the SDK bring headers that cannot be changed.
    const response = new Response(c.res.body, c.res);
    for (const [name, value] of Object.entries(headers)) response.headers.set(name, value);
    c.res = response;
    return undefined;
  };
}
