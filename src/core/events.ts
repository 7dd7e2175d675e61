import type { ServerState } from './server.js';

/** What the engine tells those who watch it. */
export type RuntimeEvent =
  | { readonly type: 'server-state'; readonly server: string; readonly state: ServerState }
  | { readonly type: 'catalog-changed'; readonly servers: readonly string[] }
  | { readonly type: 'task-changed'; readonly taskId: string; readonly principal: string };
