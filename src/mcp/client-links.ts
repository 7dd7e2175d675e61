import {
  CLIENT_CAPABILITIES_META_KEY,
  LOG_LEVEL_META_KEY,
  type Server,
  type ServerContext,
} from '@modelcontextprotocol/server';
import type { ClientLink } from '../core/client-link.js';
import type { ClientWay } from './direct-calls.js';
import type { RoundCall } from './rounds.js';

/** Takes any answer as it is: what a client answers is for the server that asked to judge. */
const AS_IT_IS = {
  '~standard': { version: 1 as const, vendor: 'mcp-runtime', validate: (value: unknown) => ({ value }) },
};

/** A person may think for a while; the call's own end takes the question back. */
const ANSWER_MS = 3_600_000;

const NOTHING = Object.freeze({});

/** The client of a revision with sessions: it is asked on the stream of the request that it waits for. */
export function sessionLink(
  clientId: string,
  server: Server,
  way: ClientWay,
  { logLevel, workspace }: { logLevel: string | undefined; workspace: string | undefined },
): ClientLink {
  return {
    clientId,
    // The same object for every call, so that who sends it on can tell that it did not change.
    capabilities: (server.getClientCapabilities() as Record<string, unknown> | undefined) ?? NOTHING,
    logLevel,
    workspace,
    ask: async (method, params) => {
      const request = {
        method,
        ...(params === undefined ? {} : { params: params as Record<string, unknown> }),
      };
      return way.send(request as Parameters<typeof way.send>[0], AS_IT_IS, {
        timeout: ANSWER_MS,
        signal: way.signal,
      });
    },
    tell: (method, params) => tell(way, method, params),
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
  const capabilities = envelope[CLIENT_CAPABILITIES_META_KEY];
  const logLevel = envelope[LOG_LEVEL_META_KEY];
  return {
    clientId,
    capabilities: typeof capabilities === 'object' && capabilities !== null ? { ...capabilities } : {},
    logLevel: typeof logLevel === 'string' ? logLevel : undefined,
    workspace,
    ask: (method, params) => call.ask(method, params),
    round: roundOf(context),
    tell: (method, params) => {
      // In this revision a client that named no level wants no log.
      if (method !== 'notifications/message' || logLevel !== undefined) tell(mcpReq, method, params);
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

function tell(way: ClientWay, method: string, params: Readonly<Record<string, unknown>>): void {
  const notification = { method, params: { ...params } };
  way.notify(notification as Parameters<typeof way.notify>[0]).catch(() => {
    // The client left; its call will find out too.
  });
}
