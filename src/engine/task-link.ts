import type { ClientLink } from '../core/client-link.js';
import type { RunContext, TaskSpec } from '../tasks/task-spec.js';

/** The client of a task, as its server sees it: it can do what it could when the task was made, and answers later. */
export function taskLink({ clientId, capabilities = {} }: TaskSpec, { ask }: RunContext): ClientLink {
  return { clientId, capabilities, later: true, ask, tell: () => {} };
}
