import type { AddressInfo } from 'node:net';
import { type ServerType, serve } from '@hono/node-server';
import { createIndexApp, type IndexAppOptions } from '../../src/http/index-api/app.js';
import { memoryIndex } from './memory-index.js';

/** Our index server over a store in memory, on a real loopback port. */
export async function startIndex(options: Partial<IndexAppOptions> = {}) {
  const memory = memoryIndex();
  const app = createIndexApp({ store: memory.store, version: '0.0.0', ...options });
  const server = await new Promise<ServerType>((resolve) => {
    const one: ServerType = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }, () => resolve(one));
  });
  const { port } = server.address() as AddressInfo;
  return {
    ...memory,
    url: `http://127.0.0.1:${port}`,
    stop: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        if ('closeAllConnections' in server) server.closeAllConnections();
      }),
  };
}
