import type { Asker } from '../core/caller.js';
import { Emitter } from '../lib/emitter.js';
import type { Logger } from '../lib/log.js';
import type { RuntimePort } from '../operations/table.js';
import { Connection, type McpFaceOptions } from './connection.js';
import { Exposure } from './exposure.js';
import { offersNative } from './introduction.js';
import { Native } from './native.js';

export type { McpFaceOptions };

/** What clients without a connection may have asked to be told. */
export interface Announcement {
  readonly method: string;
  readonly params?: Readonly<Record<string, unknown>> | undefined;
}

export interface McpFace {
  readonly logger: Logger;
  /** A new client. Nothing is said to the runtime before the client asks for something. */
  connect(client: Asker): Connection;
  /** For transports that keep subscriptions themselves. @returns the way to unsubscribe. */
  announcements(listener: (announcement: Announcement) => void): () => void;
}

/** MCP over a runtime, whatever the transport. */
export function createMcpFace(port: RuntimePort, options: McpFaceOptions): McpFace {
  const { expose, pins, logger } = options;
  const connections = new Set<Connection>();
  const announcements = new Emitter<Announcement>();
  const announce = (method: string) => {
    for (const connection of connections) connection.tell(method);
    announcements.emit({ method });
  };
  const exposure = new Exposure(port, {
    expose,
    pins,
    logger,
    onChange: () => announce('notifications/tools/list_changed'),
  });
  const facts = { expose, version: options.version, native: offersNative(options) };
  const native = new Native(port, exposure, facts.native);
  port.subscribe((event) => {
    if (event.type === 'catalog-changed') void exposure.refresh();
    if (event.type !== 'server-notification') return;
    for (const connection of connections) connection.onServer(event);
    if (event.clientId === undefined && exposure.shows(event.server)) announcements.emit(event);
  });
  return {
    logger,
    connect: (asker) => {
      const onclose = (closed: Connection) => connections.delete(closed);
      const connection = new Connection({ port, options, facts, exposure, native, onclose }, asker);
      connections.add(connection);
      return connection;
    },
    announcements: (listener) => announcements.subscribe(listener),
  };
}
