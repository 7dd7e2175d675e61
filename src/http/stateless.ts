import type { Server } from '@modelcontextprotocol/server';
import type { Connection } from '../mcp/connection.js';
import type { McpFace } from '../mcp/face.js';
import { CLIENT_INFO_KEY } from '../mcp/meta-keys.js';
import { sdkServer } from '../mcp/sdk-server.js';
import { type Access, ownerOf } from './access/access.js';
import type { Closable, Sessions } from './sessions.js';

type Outgoing = Parameters<Sessions<Closable>['find']>[2];

/**
 * A client of 2026-07-28, which has no connection that would tell its requests apart from those of others. Those of one
 * principal that carry one client's name count as one client, so that what belongs to a client (a server of its own, a
 * list of tasks) outlives the request; what belongs to nobody else is the request's cancelling.
 */
export class StatelessClient implements Closable {
  readonly busy = false;
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** For one request. */
  server(method: string | undefined): Server {
    return sdkServer(this.#connection, 'modern', { method });
  }

  close(): Promise<void> {
    return this.#connection.close();
  }
}

/** The client that a request comes from, new or known; undefined when there are too many. */
export function statelessClient(
  face: McpFace,
  clients: Sessions<StatelessClient>,
  access: Access,
  body: unknown,
  outgoing: Outgoing,
): StatelessClient | undefined {
  const { name, version } = clientInfo(body);
  const id = JSON.stringify([ownerOf(access), name, version]);
  const known = clients.find(id, access, outgoing);
  if (known) return known;
  if (!clients.hasRoom(access)) return undefined;
  const { principal, restriction } = access;
  const client = new StatelessClient(face.connect({ principal, restriction, clientName: name }));
  clients.add(id, access, client);
  return clients.find(id, access, outgoing);
}

function clientInfo(body: unknown): { name: string | undefined; version: string | undefined } {
  const params = field(body, 'params');
  const info = field(field(params, '_meta'), CLIENT_INFO_KEY);
  return { name: text(field(info, 'name')), version: text(field(info, 'version')) };
}

const field = (value: unknown, key: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined;

const text = (value: unknown) => (typeof value === 'string' ? value.slice(0, 128) : undefined);
