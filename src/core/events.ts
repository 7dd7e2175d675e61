import type { ServerState } from './server.js';

/** What the engine tells those who watch it. */
export type RuntimeEvent =
  | { readonly type: 'server-state'; readonly server: string; readonly state: ServerState }
  | { readonly type: 'catalog-changed'; readonly servers: readonly string[] }
  /** Of a server, for whoever uses it. `clientId`: it runs for this client alone. */
  | {
      readonly type: 'server-notification';
      readonly server: string;
      readonly clientId?: string | undefined;
      readonly method: string;
      readonly params?: Readonly<Record<string, unknown>> | undefined;
    }
  | { readonly type: 'task-changed'; readonly taskId: string; readonly principal: string };
