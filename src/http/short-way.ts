import type { IncomingMessage, ServerResponse } from 'node:http';
import type { JSONRPCRequest } from '@modelcontextprotocol/server';
import type { Logger } from '../lib/log.js';
import { isRequest, readMessage } from '../mcp/inbound.js';
import type { Authenticate } from './authentication.js';
import { readJson } from './body.js';
import type { CorsHeaders } from './cors.js';
import type { HostCheck } from './guard.js';
import type { Handed } from './handed.js';
import type { HandOn, ShortWay as Seam } from './listen.js';
import type { Sessions } from './sessions.js';
import { LateCalls, ShortCall } from './short-call.js';
import type { StreamableSession } from './streamable.js';

export interface ShortWayOptions {
  readonly check: HostCheck;
  readonly authenticate: Authenticate;
  readonly corsHeaders: CorsHeaders;
  readonly sessions: Sessions<StreamableSession>;
  readonly maxBodyBytes: number;
  readonly logger: Logger;
}

/** What the transport wants of each POST (2025-11-25, Streamable HTTP, Sending Messages). */
export const acceptsBoth = (accept: string | null | undefined): boolean =>
  accept?.includes('application/json') === true && accept.includes('text/event-stream');

/**
 * Serves plain calls of initialised sessions without the web-standard objects that the long way makes of each. It asks
 * and counts by the same functions as the long way, and leaves everything else to it: what is refused too.
 */
export class ShortWay implements Seam<Handed> {
  readonly #options: ShortWayOptions;
  readonly #late = new LateCalls();

  constructor(options: ShortWayOptions) {
    this.#options = options;
  }

  /** Answers a request, or hands it on once. */
  take(incoming: IncomingMessage, outgoing: ServerResponse, handOn: HandOn<Handed>): void {
    if (!this.#mayBeCall(incoming)) {
      handOn(incoming, outgoing);
      return;
    }
    this.#serve(incoming, outgoing, handOn).catch((error: unknown) => {
      this.#options.logger.error({ err: error }, 'an HTTP request failed in a way nobody foresaw');
      outgoing.destroy();
    });
  }

  #mayBeCall({ method, url, headers }: IncomingMessage): boolean {
    return (
      method === 'POST' &&
      url === '/mcp' &&
      headers['mcp-session-id'] !== undefined &&
      headers['mcp-protocol-version'] !== undefined &&
      acceptsBoth(headers.accept) &&
      this.#options.check(headers.host, headers.origin) === undefined
    );
  }

  async #serve(incoming: IncomingMessage, outgoing: ServerResponse, handOn: HandOn<Handed>): Promise<void> {
    const { authenticate, maxBodyBytes } = this.#options;
    const address = incoming.socket.remoteAddress ?? '';
    // Who rejects does so again on the long way, which knows what to answer.
    const verdict = await authenticate(incoming.headers.authorization, address).catch(() => undefined);
    if (verdict === undefined) handOn(incoming, outgoing);
    else if (verdict instanceof Response) handOn(incoming, outgoing, { verdict });
    else {
      const body = await readJson(incoming, maxBodyBytes);
      const handed = { verdict, body };
      if (!this.#run(incoming, outgoing, handed, handOn)) handOn(incoming, outgoing, handed);
    }
  }

  #run(
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    { verdict, body }: { verdict: Exclude<Handed['verdict'], Response>; body: NonNullable<Handed['body']> },
    handOn: HandOn<Handed>,
  ): boolean {
    const request = body.ok ? requestIn(body.value) : undefined;
    if (request === undefined) return false;
    const { headers } = incoming;
    const id = String(headers['mcp-session-id']);
    const session = this.#options.sessions.find(id, verdict, outgoing);
    if (!session) return false;
    const cors = this.#options.corsHeaders(headers.origin);
    const call = new ShortCall({
      outgoing,
      headers: ['Mcp-Session-Id', id, ...(cors === undefined ? [] : Object.entries(cors).flat())],
      late: this.#late,
      openStream: (running) => handOn(incoming, outgoing, { verdict, body, running }),
    });
    return session.run(request, String(headers['mcp-protocol-version']), call);
  }
}

function requestIn(value: unknown): JSONRPCRequest | undefined {
  const read = readMessage(value);
  return read.ok && isRequest(read.message) ? read.message : undefined;
}
