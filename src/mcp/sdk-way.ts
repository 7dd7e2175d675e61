import type { RequestId, Server, ServerContext } from '@modelcontextprotocol/server';
import { ANSWER_MS, type Params, type WayBack } from './client-way.js';

// The ways to a client that the SDK serves. Only its types: it loads nothing.

type Related = Pick<ServerContext['mcpReq'], 'send' | 'notify'>;
type Request = Parameters<Related['send']>[0];
type Notification = Parameters<Related['notify']>[0];

/** Takes any answer as it is: what a client answers is for the server that asked to judge. */
const AS_IT_IS = {
  '~standard': { version: 1 as const, vendor: 'mcp-runtime', validate: (value: unknown) => ({ value }) },
};

/** To the client of one request, on the stream of that. */
export const requestWay = ({ send, notify }: Related): WayBack => ({
  ask: async (method, params, signal) =>
    send(asMessage(method, params) as Request, AS_IT_IS, { timeout: ANSWER_MS, signal }),
  tell: (method, params) => quietly(notify(asMessage(method, params) as Notification)),
});

/**
 * To the client of a session, about no request in particular.
 * @param related the request on whose stream it is told instead, where each has its own.
 */
export function sessionWay(server: Server, related?: RequestId): WayBack {
  const to = related === undefined ? {} : { relatedRequestId: related };
  return {
    ask: async (method, params, signal) =>
      server.request(asMessage(method, params) as Request, AS_IT_IS, { timeout: ANSWER_MS, signal, ...to }),
    tell: (method, params) => quietly(server.notification(asMessage(method, params) as Notification, to)),
  };
}

/** As the SDK has it; an empty record beats none for who asks later. */
export const capabilitiesOf = (server: Server): Params =>
  (server.getClientCapabilities() as Params | undefined) ?? NOTHING;

const NOTHING = Object.freeze({});

const asMessage = (method: string, params: Params | undefined) =>
  params === undefined ? { method } : { method, params: { ...params } };

function quietly(sent: Promise<void>): void {
  sent.catch(() => {
    // The client left; its call will find out too.
  });
}
