import type { Catalog } from '../catalog/catalog.js';
import type { RuntimeEvent } from '../core/events.js';
import type { TaskQueue } from '../tasks/task-queue.js';
import { failed, needsAuth } from './problems.js';

/**
 * Tasks that wait for a server which will not start by itself again end with its reason at once. Those of a server
 * that runs for each client apart find out by themselves: its other instances may be well.
 */
export function failWithServer(event: RuntimeEvent, parts: { catalog: Catalog; tasks: TaskQueue }): void {
  if (event.type !== 'server-state') return;
  const { server, state } = event;
  if (state.status !== 'failed' && state.status !== 'needs-auth') return;
  if (
    parts.catalog
      .entries()
      .some(({ definition }) => definition.name === server && definition.sharing === 'per-client')
  )
    return;
  const error = state.status === 'failed' ? failed(server, state.problem) : needsAuth(server, state.problem);
  parts.tasks.failServer(server, error);
}
