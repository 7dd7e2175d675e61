import { isJSONRPCRequest, type Server } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import type { Connection } from './connection.js';
import { sdkServer } from './sdk-server.js';
import { capabilitiesOf } from './sdk-way.js';
import type { Introduced, StdioSession } from './stdio-session.js';
import type { StdioTransport } from './stdio-transport.js';

/**
 * Lets the SDK serve what our session does not take, which is everything of a client that was not greeted: until it has
 * said that it is ready, and for good if it speaks 2026-07-28.
 */
export function serveSdkStdio(
  connection: Connection,
  transport: StdioTransport,
  openSession: (client: Introduced) => StdioSession,
): void {
  const { onclose } = transport;
  transport.isRequestToSdk = isJSONRPCRequest;
  const adopt = (server: Server) => {
    if (transport.hasSession) return;
    const name = server.getClientVersion()?.name;
    const session = openSession({ capabilities: capabilitiesOf(server), name });
    transport.adopt(session);
    session.ready();
  };
  serveStdio(
    ({ era }) => sdkServer(connection, era, era === 'legacy' ? { helps: true, onReady: adopt } : {}),
    { transport, onerror: (error) => connection.logger.debug({ err: error }, 'stdio') },
  );
  const sdkOnClose = transport.onclose;
  transport.onclose = () => {
    sdkOnClose?.();
    onclose?.();
  };
}
