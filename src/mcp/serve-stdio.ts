import type { Writable } from 'node:stream';
import type { McpFace } from './face.js';
import { greeting } from './greeting.js';
import { type Introduced, StdioSession } from './stdio-session.js';
import { StdioTransport, type StdioTransportOptions } from './stdio-transport.js';

export interface ServeStdioOptions extends StdioTransportOptions {
  /** Who the person at the other end of the pipe is. Default `local`. */
  readonly principal?: string | undefined;
  /** One that reads already. */
  readonly transport?: StdioTransport | undefined;
}

export interface StdioService {
  /** Resolves when the client is gone (end of stdin, broken pipe) or `close` was called. Never rejects. */
  readonly closed: Promise<void>;
  /** Withdraws what is in flight and lets what was answered reach the client. Idempotent. */
  close(): Promise<void>;
}

const FLUSH_MS = 1_000;

/**
 * Serves one client over a pair of streams, in the era it opens with. Nothing but JSON-RPC is written to `stdout`. The SDK is
 * loaded when the client says something that needs it, see `StdioSession`.
 */
export function serveStdio(face: McpFace, options: ServeStdioOptions): StdioService {
  const connection = face.connect({ principal: options.principal ?? 'local' });
  const transport =
    options.transport ?? new StdioTransport({ greet: greeting(connection.facts), ...options });
  const closed = new Promise<void>((resolve) => {
    transport.onclose = () => void connection.close().then(() => resolve());
  });
  transport.onerror = (error) => face.logger.debug({ err: error }, 'stdio');
  const openSession = (client: Introduced) => new StdioSession(connection, client, transport.post);
  transport.serve({
    openSession,
    loadSdk: () => {
      import('./serve-sdk-stdio.js')
        .then(({ serveSdkStdio }) => serveSdkStdio(connection, transport, openSession))
        .catch((error: unknown) => {
          face.logger.error({ err: error }, 'what serves unusual requests could not be loaded');
          void transport.close();
        });
    },
  });
  return {
    closed,
    close: async () => {
      await transport.close();
      await closed;
      await flushed(options.stdout);
    },
  };
}

/** Waits until what was written is with the client, but not for a client that no longer reads. */
function flushed(stdout: Writable): Promise<void> {
  if (stdout.writableLength === 0 || stdout.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, FLUSH_MS);
    stdout.once('close', () => resolve());
    stdout.write('', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
