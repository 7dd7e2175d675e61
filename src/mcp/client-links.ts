import type { ServerContext } from '@modelcontextprotocol/server';
import type { ClientLink } from '../core/client-link.js';
import type { Params, WayBack } from './client-way.js';
import { CLIENT_CAPABILITIES_KEY, LOG_LEVEL_KEY } from './meta-keys.js';
import type { RoundCall } from './rounds.js';
import { requestWay } from './sdk-way.js';

export interface SessionClient {
  readonly clientId: string;
  /** The same object for every call, so that who sends it on can tell that it did not change. */
  readonly capabilities: Params;
  readonly logLevel: string | undefined;
  readonly workspace: string | undefined;
}

/** The client of a revision with sessions: it is asked while its request waits. */
export function sessionLink(client: SessionClient, way: WayBack, signal: AbortSignal): ClientLink {
  const { clientId, capabilities, logLevel, workspace } = client;
  return {
    clientId,
    capabilities,
    logLevel,
    workspace,
    ask: (method, params) => way.ask(method, params as Params | undefined, signal),
    tell: way.tell,
  };
}

/** The client of 2026-07-28: what is asked becomes the result of its request, and it comes again with the answer. */
export function roundLink(
  clientId: string,
  context: ServerContext,
  call: RoundCall,
  workspace: string | undefined,
): ClientLink {
  const { mcpReq } = context;
  const envelope = (mcpReq.envelope ?? {}) as Record<string, unknown>;
  const capabilities = envelope[CLIENT_CAPABILITIES_KEY];
  const logLevel = envelope[LOG_LEVEL_KEY];
  const way = requestWay(mcpReq);
  return {
    clientId,
    capabilities: typeof capabilities === 'object' && capabilities !== null ? { ...capabilities } : {},
    logLevel: typeof logLevel === 'string' ? logLevel : undefined,
    workspace,
    ask: (method, params) => call.ask(method, params),
    round: roundOf(context),
    tell: (method, params) => {
      // In this revision a client that named no level wants no log.
      if (method !== 'notifications/message' || logLevel !== undefined) way.tell(method, params);
    },
  };
}

/** What the client brought along of an earlier round. */
export function roundOf({ mcpReq }: ServerContext) {
  const requestState = mcpReq.requestState?.();
  return {
    ...(mcpReq.inputResponses === undefined ? {} : { inputResponses: mcpReq.inputResponses }),
    ...(requestState === undefined ? {} : { requestState }),
  };
}
