import type { ClientLink } from '../../core/client-link.js';
import { bridgedPart } from '../bridge.js';
import type { ClientInfo } from '../handshake.js';

export const STATELESS_VERSION = '2026-07-28';
const PREFIX = 'io.modelcontextprotocol/';

/** What each request of 2026-07-28 says in `_meta`: there is no session that would remember it. */
export function envelope(clientInfo: ClientInfo, client: ClientLink | undefined): Record<string, unknown> {
  return {
    [`${PREFIX}protocolVersion`]: STATELESS_VERSION,
    [`${PREFIX}clientInfo`]: clientInfo,
    [`${PREFIX}clientCapabilities`]: {
      ...(client === undefined ? {} : bridgedPart(client.capabilities)),
      // A server may answer a call with a task: tasks.ts
      extensions: { [`${PREFIX}tasks`]: {} },
    },
    ...(client?.logLevel === undefined ? {} : { [`${PREFIX}logLevel`]: client.logLevel }),
  };
}

/** What a client said of itself does not go on: each hop speaks for itself. */
export function withoutEnvelope(
  meta: Readonly<Record<string, unknown>> | undefined,
): Readonly<Record<string, unknown>> | undefined {
  if (meta === undefined || !Object.keys(meta).some((key) => OWN.has(key))) return meta;
  return Object.fromEntries(Object.entries(meta).filter(([key]) => !OWN.has(key)));
}

const OWN = new Set(
  ['protocolVersion', 'clientInfo', 'clientCapabilities', 'logLevel'].map((name) => PREFIX + name),
);

/** Of the server, in `_meta` of its results. */
export const SERVER_INFO = `${PREFIX}serverInfo`;
