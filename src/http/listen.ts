import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import { getRequestListener } from '@hono/node-server';
import { RuntimeError } from '../core/errors.js';
import type { Logger } from '../lib/log.js';
import { refusal } from './answers.js';

export interface HttpListener {
  /** Without a path. */
  readonly url: string;
  readonly port: number;
  /** Ends sessions, streams and sockets within 2 s. Idempotent. */
  close(): Promise<void>;
}

export interface ListenOptions<Handed = never> {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly logger: Logger;
  readonly onclose: () => Promise<void>;
  readonly timeouts?: Timeouts | undefined;
  /** Default 2048. */
  readonly maxConnections?: number | undefined;
  readonly shortWay?: ShortWay<Handed> | undefined;
}

/** Ms within which a request must have been sent; one that is slower is answered 408. */
export interface Timeouts {
  /** Default 10 s. */
  readonly headersMs?: number | undefined;
  /** For all of it, body included. Default 25 s: looked at once a second, on a busy machine too it is answered within 30. */
  readonly requestMs?: number | undefined;
}

/** What a web-standard request comes with. */
export interface Bindings<Handed> {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  readonly handed?: Handed | undefined;
}

type Fetch<Handed> = (request: Request, env: Bindings<Handed>) => Response | Promise<Response>;

/** Makes the web-standard request. @param handed what is known of it already. */
export type HandOn<Handed> = (incoming: IncomingMessage, outgoing: ServerResponse, handed?: Handed) => void;

/** Sees requests before anything web-standard is made of them. */
export interface ShortWay<Handed> {
  /** Answers a request, or hands it on once. */
  take(incoming: IncomingMessage, outgoing: ServerResponse, handOn: HandOn<Handed>): void;
}

/** Node waits 60 s for headers and 300 s for a body, which a few hundred slow senders turn into a standstill. */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 25_000;
const CHECK_MS = 1_000;
const MAX_CONNECTIONS = 2_048;
const GRACE_MS = 1_000;
const IDLE_CHECK_MS = 20;

/** @throws RuntimeError PORT_IN_USE or CONFIG_INVALID */
export async function listen<Handed = never>(
  fetch: Fetch<Handed>,
  options: ListenOptions<Handed>,
): Promise<HttpListener> {
  const known = new WeakMap<object, Handed>();
  const fetchWith = (request: Request, { incoming, outgoing }: Bindings<Handed>) =>
    fetch(request, { incoming, outgoing, handed: known.get(incoming) });
  const handle = getRequestListener(fetchWith as Parameters<typeof getRequestListener>[0], {
    // Our process may be somebody else's library.
    overrideGlobalObjects: false,
    // Comes before our guards, and only for a Host or a target that make no URL.
    errorHandler: () => refusal(403, 'The Host header names another machine than this one.'),
  });
  const handOn: HandOn<Handed> = (incoming, outgoing, handed) => {
    if (handed !== undefined) known.set(incoming, handed);
    void handle(incoming, outgoing);
  };
  const { shortWay } = options;
  const server = createServer(
    {
      headersTimeout: options.timeouts?.headersMs ?? HEADERS_TIMEOUT_MS,
      requestTimeout: options.timeouts?.requestMs ?? REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: CHECK_MS,
      keepAliveTimeout: REQUEST_TIMEOUT_MS,
    },
    (request, response) => {
      if (refuseEarly(request, response)) return;
      if (shortWay) shortWay.take(request, response, handOn);
      else handOn(request, response);
    },
  );
  server.maxConnections = options.maxConnections ?? MAX_CONNECTIONS;
  await bind(server, options);
  server.on('error', (error) => options.logger.error({ err: error }, 'http server'));
  const { port } = server.address() as AddressInfo;
  let closing: Promise<void> | undefined;
  return {
    url: `http://${bracketed(options.host)}:${port}`,
    port,
    close: () => {
      closing ??= shutDown(server, options.onclose);
      return closing;
    },
  };
}

/** Whether only this machine can reach the address. */
export const isLoopback = (host: string): boolean =>
  host.toLowerCase() === 'localhost' || /^127(\.\d{1,3}){3}$/.test(host) || ['::1', '[::1]'].includes(host);

/** Under which names and addresses a listener on this host is asked for. No page can rebind a name to be one of them. */
export function namesOfHost(host: string): readonly string[] {
  if (!['0.0.0.0', '::', '[::]', ''].includes(host)) return [bracketed(host)];
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return [hostname(), ...addresses.map(({ address }) => bracketed(address))];
}

/** A host as it stands in a URL. */
export const bracketed = (host: string): string =>
  host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;

/** What a web-standard Request cannot carry, and what proxies and we could read differently. */
function refuseEarly(request: IncomingMessage, response: ServerResponse): boolean {
  const status =
    request.method === 'TRACE' || request.method === 'CONNECT'
      ? 405
      : saysTwice(request.rawHeaders)
        ? 400
        : undefined;
  if (status === undefined) return false;
  response.writeHead(status, {
    Connection: 'close',
    ...(status === 405 ? { Allow: 'GET, POST, DELETE' } : {}),
  });
  response.end();
  return true;
}

/** Of the names below. Most headers are none of them, and need not be copied in small letters to know. */
const LENGTHS: ReadonlySet<number> = new Set(['host', 'origin', 'authorization'].map((name) => name.length));

/** Whether a header stands there twice of which only one can count. @param raw name, value, name, value, ... */
function saysTwice(raw: readonly string[]): boolean {
  const seen = { host: false, origin: false, authorization: false };
  for (let at = 0; at < raw.length; at += 2) {
    const given = raw[at] as string;
    if (!LENGTHS.has(given.length)) continue;
    const name = given.toLowerCase();
    if (name !== 'host' && name !== 'origin' && name !== 'authorization') continue;
    if (seen[name]) return true;
    seen[name] = true;
  }
  return false;
}

function bind(server: Server, { host, port }: Pick<ListenOptions, 'host' | 'port'>): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(bindError(error, host, port)));
    server.listen(port, host.replace(/^\[|\]$/g, ''), () => {
      server.removeAllListeners('error');
      resolve();
    });
  });
}

function bindError(error: NodeJS.ErrnoException, host: string, port: number): RuntimeError {
  if (error.code === 'EADDRINUSE') {
    return new RuntimeError('PORT_IN_USE', `Port ${port} on ${host} is taken by another program.`, {
      hint: 'Choose another port, or stop the program that listens there.',
      data: { host, port },
      cause: error,
    });
  }
  return new RuntimeError(
    'CONFIG_INVALID',
    `Cannot listen on ${host}, port ${port} (${error.code ?? 'unknown'}).`,
    {
      hint: 'The host must be an address of this machine, and ports below 1024 need special rights.',
      data: { host, port },
      cause: error,
    },
  );
}

async function shutDown(server: Server, onclose: () => Promise<void>): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  // Ending the sessions ends their streams, and a connection whose last response ended is idle, at some later time.
  const idle = setInterval(() => server.closeIdleConnections(), IDLE_CHECK_MS);
  const force = setTimeout(() => server.closeAllConnections(), GRACE_MS);
  await Promise.all([onclose(), closed]);
  clearInterval(idle);
  clearTimeout(force);
}
