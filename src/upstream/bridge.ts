import type { ClientLink } from '../core/client-link.js';
import { deadline, untilAborted } from '../lib/abort.js';
import { isPlainObject } from '../lib/json-object.js';
import type { Owner } from './owner.js';

/** How long a client may take for an answer, ms, where nothing else is said. */
const ANSWER_MS = 600_000;

/** Requests of one client that a server may have open at once; a flood ends here. */
const MAX_OPEN = 32;

const METHOD_NOT_FOUND = -32601;
const INVALID_REQUEST = -32600;
const INVALID_PARAMS = -32602;
const INTERNAL_ERROR = -32603;

/** What servers may ask, and the capability a client must have declared for it. */
const ASKED: Readonly<Record<string, string>> = {
  'elicitation/create': 'elicitation',
  'sampling/createMessage': 'sampling',
  'roots/list': 'roots',
};

/**
 * Everything that can be handed on to a client. A server that is shared between clients is told all of it, since it is
 * told once; a client that lacks one of them answers through us with an error, at once.
 */
export const BRIDGED_CAPABILITIES = {
  roots: {},
  sampling: {},
  elicitation: { form: {}, url: {} },
} as const;

/** The part of a client's capabilities that concerns its servers. */
export function bridgedPart(capabilities: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const names = Object.keys(BRIDGED_CAPABILITIES).filter((name) => capabilities[name] !== undefined);
  return Object.fromEntries(names.map((name) => [name, capabilities[name]]));
}

const open = new WeakMap<ClientLink, number>();

/**
 * Hands a server's request on to the client that owns the call, and only if it declared the capability; everything
 * else is answered at once.
 * @param answerMs how long the client may take. A task keeps that time itself, since it ends with it.
 * @throws `{code, message, data?}`, the JSON-RPC error for the server.
 */
export async function askOwner(
  method: string,
  params: unknown,
  owner: Owner,
  answerMs = ANSWER_MS,
): Promise<unknown> {
  const capability = ASKED[method];
  if (capability === undefined) throw rpcError(METHOD_NOT_FOUND, `Method not found: ${method.slice(0, 100)}`);
  const { client } = owner;
  if (client === undefined) {
    if (owner.why === 'none') throw rpcError(METHOD_NOT_FOUND, `Method not found: ${method}`);
    throw rpcError(
      INVALID_REQUEST,
      `${method}: calls of several clients wait, and it does not say whose it is`,
    );
  }
  const missing = whatIsMissing(capability, params, client);
  if (missing) throw missing;
  const count = open.get(client) ?? 0;
  if (count >= MAX_OPEN)
    throw rpcError(INTERNAL_ERROR, `${method}: ${count} requests wait for this client already`);
  open.set(client, count + 1);
  try {
    if (client.later) return await client.ask(method, params);
    const late = rpcError(INTERNAL_ERROR, `${method}: the client did not answer within ${answerMs} ms`);
    using limit = deadline(answerMs, () => late);
    return await untilAborted(client.ask(method, params), limit.signal);
  } finally {
    open.set(client, (open.get(client) ?? 1) - 1);
  }
}

function whatIsMissing(
  capability: string,
  params: unknown,
  { capabilities }: ClientLink,
): object | undefined {
  const declared = capabilities[capability];
  if (!isPlainObject(declared)) return rpcError(METHOD_NOT_FOUND, `The client did not declare ${capability}`);
  const given = isPlainObject(params) ? params : {};
  if (capability === 'elicitation') {
    // Before 2025-11-25 the capability had no parts and meant forms.
    const mode = given['mode'] ?? 'form';
    const modes = Object.keys(declared).length === 0 ? ['form'] : Object.keys(declared);
    if (!modes.includes(String(mode))) {
      return rpcError(
        INVALID_PARAMS,
        `The client did not declare elicitation of the mode ${String(mode).slice(0, 20)}`,
      );
    }
  }
  if (capability === 'sampling' && 'tools' in given && declared['tools'] === undefined)
    return rpcError(INVALID_PARAMS, 'The client did not declare sampling with tools');
  return undefined;
}

const rpcError = (code: number, message: string): object => ({ code, message });
