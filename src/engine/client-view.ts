import type { OperationOutput } from '../operations/table.js';
import type { ConnectedClient } from './clients.js';

/** A connected client, as `get_status` tells of it. */
export function clientView({
  caller,
  since,
  inFlight,
}: ConnectedClient): OperationOutput<'get_status'>['clients'][number] {
  return {
    id: caller.clientId,
    name: caller.clientName ?? 'unnamed',
    principal: caller.principal,
    since: new Date(since).toISOString(),
    in_flight: inFlight,
  };
}
