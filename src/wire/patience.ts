import type { ClientLink } from '../core/client-link.js';
import type { OperationInput, OperationName } from '../operations/table.js';

const MINUTE = 60_000;

/** What a server may take to start, installation included; the engine has its own limit, which is shorter. */
const START_MS = 10 * MINUTE;

/** What a person may need for the answers that servers want, all of one call together. */
const THINKING_MS = 60 * MINUTE;

/**
 * How long a front-end waits for one call, ms. The engine ends calls by itself and says why; this is for an engine
 * that does not, and it is the moment after which a request that is still under way is not begun.
 */
export function patience(op: OperationName, input: unknown, client?: ClientLink): number {
  return forOperation(op, input) + (canBeAsked(client) ? THINKING_MS : 0);
}

const canBeAsked = (client: ClientLink | undefined): boolean =>
  ['elicitation', 'sampling', 'roots'].some((name) => client?.capabilities[name] !== undefined);

function forOperation(op: OperationName, input: unknown): number {
  switch (op) {
    case 'execute_tool': {
      const { timeout, in_background } = input as OperationInput<'execute_tool'>;
      return in_background ? MINUTE : timeout * 1_000 + START_MS;
    }
    case 'forward_request':
      return (input as OperationInput<'forward_request'>).timeout * 1_000 + START_MS;
    case 'poll_task_result':
      return (input as OperationInput<'poll_task_result'>).wait * 1_000 + MINUTE;
    case 'manage_server':
      return START_MS + MINUTE;
    case 'learn_servers':
      return 60 * MINUTE;
    default:
      return 2 * MINUTE;
  }
}
