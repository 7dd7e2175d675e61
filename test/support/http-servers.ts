import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach } from 'vitest';
import type { RemoteDefinition } from '../../src/core/server.js';
import type { UpstreamSession } from '../../src/core/upstream.js';
import type { OpenSessionOptions } from '../../src/upstream/open-session.js';
import { hostile } from './processes.js';
import { type Bench, remoteDefinition } from './upstream.js';

export const MIB = 1_024 * 1_024;
/** Stands in the headers of every session with a hostile server: nobody else may see it. */
export const secret = 'canary-secret-0123456789';

/** A request as a fixture saw it. */
export interface Hit {
  readonly method: string;
  readonly url: string;
  readonly rpc?: string;
  readonly t: number;
  readonly headers: Record<string, string>;
}

export interface StartedServer {
  readonly output: () => string;
  open(options?: Partial<OpenSessionOptions>): Promise<UpstreamSession>;
  hits(rpc?: string): Promise<Hit[]>;
}

/** A hostile HTTP server in a process of its own; ends with the test. */
export async function startHostileHttp(
  bed: Bench,
  name: string,
  args: readonly string[],
  more: Partial<RemoteDefinition> = {},
): Promise<StartedServer> {
  const { port, output } = await bed.http(hostile(name), ['0', ...args]);
  const base = `http://127.0.0.1:${port}`;
  return {
    output,
    open: (options = {}) =>
      bed.open(
        remoteDefinition('streamable-http', `${base}/mcp`, {
          name,
          headers: { 'x-api-key': secret },
          ...more,
        }),
        options,
      ),
    hits: async (rpc) => {
      const all = (await (await fetch(`${base}/__hits`)).json()) as Hit[];
      return all.filter((hit) => rpc === undefined || hit.rpc === rpc);
    },
  };
}

/** Servers in the test's own process; they end with each test. `closeLast` makes an address where nobody listens. */
export function localServers(): {
  listen(handler: RequestListener): Promise<string>;
  closeLast(): Promise<void>;
} {
  const servers: Server[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      server.close();
    }
  });
  return {
    listen: async (handler) => {
      const server = createServer(handler);
      servers.push(server);
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    },
    closeLast: () => new Promise((resolve) => servers.pop()?.close(() => resolve())),
  };
}
