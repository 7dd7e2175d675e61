import { randomBytes, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A page of this machine where one secret can be entered once. */
export interface SecretPage {
  readonly url: string;
  /** Resolves once the value was taken. */
  readonly entered: Promise<void>;
  close(): void;
}

const MAX_BODY_BYTES = 256 * 1_024;
const HEADERS = {
  'Content-Type': 'text/html; charset=utf-8',
  'Cache-Control': 'no-store',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'Content-Security-Policy':
    "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; style-src 'unsafe-inline'",
  Connection: 'close',
};

/**
 * Asks in a browser for what must not be typed into a form of an MCP client (2025-11-25, elicitation: secrets are for
 * URL mode alone): the value goes from the browser to this process and nowhere else.
 * @param take keeps the value; what it throws is shown, and the page asks again.
 */
export async function openSecretPage(
  what: { server: string; secret: string },
  take: (value: string) => Promise<void>,
): Promise<SecretPage> {
  const path = `/${randomBytes(32).toString('base64url')}`;
  let done: () => void = () => {};
  const entered = new Promise<void>((resolve) => {
    done = resolve;
  });
  const server = createServer({ headersTimeout: 10_000, requestTimeout: 20_000 }, (request, response) => {
    const { port } = server.address() as AddressInfo;
    answer(request, response, { port, path, what, take }).then(
      (taken) => taken && done(),
      () => reply(response, 400, 'That was no answer to the question.'),
    );
  });
  server.maxConnections = 16;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  server.unref();
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}${path}`,
    entered,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

interface Question {
  readonly port: number;
  readonly path: string;
  readonly what: { readonly server: string; readonly secret: string };
  readonly take: (value: string) => Promise<void>;
}

/** @returns whether the value was taken. */
async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { port, path, what, take }: Question,
): Promise<boolean> {
  const { host, origin } = request.headers;
  const own = `127.0.0.1:${port}`;
  // A name that somebody pointed at this machine, or a page of another origin.
  if (host !== own || (origin !== undefined && origin !== `http://${own}`))
    return reply(response, 403, 'This page is for this machine alone.');
  if (!samePath(request.url ?? '', path)) return reply(response, 404, 'There is nothing here.');
  if (request.method === 'GET') return reply(response, 200, form(what));
  if (request.method !== 'POST') return reply(response, 405, 'This page knows GET and POST.');
  const value = new URLSearchParams(await bodyOf(request)).get('value') ?? '';
  try {
    await take(value);
  } catch (error) {
    const why = error instanceof Error ? error.message : 'It could not be kept.';
    return reply(response, 400, `<p>${escaped(why)}</p>${form(what)}`);
  }
  reply(response, 200, '<p>Thank you. You can close this page.</p>');
  return true;
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let held = 0;
  for await (const chunk of request) {
    held += (chunk as Buffer).length;
    if (held > MAX_BODY_BYTES) throw new Error('too long');
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function form({ server, secret }: Question['what']): string {
  return `<h1>mcp-runtime</h1><p>The server <b>${escaped(server)}</b> of your servers file needs the secret
<b>${escaped(secret)}</b>. It is kept encrypted on this machine and given to that server alone.</p>
<form method="post"><input type="password" name="value" autocomplete="off" autofocus required>
<button>Keep it</button></form>`;
}

function reply(response: ServerResponse, status: number, html: string): false {
  if (!response.headersSent) response.writeHead(status, HEADERS);
  response.end(
    `<!doctype html><title>mcp-runtime</title><body style="font:16px sans-serif;margin:3em">${html}`,
  );
  return false;
}

function samePath(given: string, path: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(path)];
  return a.length === b.length && timingSafeEqual(a, b);
}

const escaped = (text: string) => text.replace(/[&<>"']/g, (mark) => `&#${mark.charCodeAt(0)};`);
