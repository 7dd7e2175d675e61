import type { ClientLink } from '../../core/client-link.js';
import { RuntimeError } from '../../core/errors.js';
import type { Payload } from '../../core/payload.js';
import { askOwner } from '../bridge.js';
import { protocolBroken } from '../errors.js';

/** A server that asks on and on is told no (DWN-15). */
export const MAX_ROUNDS = 10;
const MAX_STATE_BYTES = 64 * 1_024;
const MAX_REQUESTS = 32;
const MARK = Buffer.from('"input_required"');

type Params = Readonly<Record<string, unknown>>;

export interface RoundsOptions {
  readonly server: string;
  readonly method: string;
  readonly client: ClientLink | undefined;
  readonly answerMs?: number | undefined;
  send(params: Params): Promise<Payload>;
}

/**
 * Sends a request, and while the server answers that it needs something from the client, asks the client and sends it
 * again with the answers. A client that does that by itself gets the server's own words.
 */
export async function inRounds(params: Params, options: RoundsOptions): Promise<Payload> {
  const { server, method, client, send } = options;
  let result = await send({ ...params, ...given(client) });
  for (let round = 1; ; round += 1) {
    const wanted = inputRequired(result);
    if (!wanted || client?.round) return result;
    if (round > MAX_ROUNDS)
      throw protocolBroken(server, method, `it asked the client more than ${MAX_ROUNDS} times`);
    const { inputRequests, requestState } = wanted;
    if (typeof requestState === 'string' && Buffer.byteLength(requestState) > MAX_STATE_BYTES)
      throw protocolBroken(server, method, `its requestState is larger than ${MAX_STATE_BYTES} bytes`);
    const inputResponses = await answersOf(inputRequests, options);
    result = await send({
      ...params,
      inputResponses,
      ...(requestState === undefined ? {} : { requestState }),
    });
  }
}

/** What a client that answers by itself brought along. */
function given(client: ClientLink | undefined): Params {
  const { inputResponses, requestState } = client?.round ?? {};
  return {
    ...(inputResponses === undefined ? {} : { inputResponses }),
    ...(requestState === undefined ? {} : { requestState }),
  };
}

interface Wanted {
  readonly inputRequests: Readonly<Record<string, unknown>>;
  readonly requestState: unknown;
}

/** Results are looked into only where the words stand at all. */
function inputRequired(result: Payload): Wanted | undefined {
  const { bytes } = result;
  if (!Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes(MARK)) return undefined;
  const value = result.value as { resultType?: unknown; inputRequests?: unknown; requestState?: unknown };
  if (value.resultType !== 'input_required') return undefined;
  const { inputRequests = {}, requestState } = value;
  return { inputRequests: inputRequests as Record<string, unknown>, requestState };
}

/** Asks the client all of it. @throws RuntimeError UPSTREAM_ERROR when it refuses, or cannot be asked. */
export async function answersOf(
  requests: Readonly<Record<string, unknown>>,
  { server, method, client, answerMs }: Omit<RoundsOptions, 'send'>,
): Promise<Record<string, unknown>> {
  const entries = Object.entries(requests);
  if (entries.length > MAX_REQUESTS)
    throw protocolBroken(server, method, `it asked the client for more than ${MAX_REQUESTS} things at once`);
  const owner = client ? { client } : ({ client: undefined, why: 'none' } as const);
  const given = entries.map(async ([key, request]) => {
    const { method: asked, params } = (request ?? {}) as { method?: unknown; params?: unknown };
    try {
      return [key, await askOwner(String(asked), params, owner, answerMs)] as const;
    } catch (error) {
      throw refused(server, method, error);
    }
  });
  return Object.fromEntries(await Promise.all(given));
}

/** In rounds there is no way to hand the server an error: the call ends with it. */
function refused(server: string, method: string, error: unknown): RuntimeError {
  if (error instanceof RuntimeError) return error;
  const { code, message } = error as { code?: unknown; message?: unknown };
  return new RuntimeError(
    'UPSTREAM_ERROR',
    `The server "${server}" needs something of the client for ${method}: ${String(message)}.`,
    {
      hint: 'Call it from a client that offers this.',
      data: { server, code: typeof code === 'number' ? code : -32603, message: String(message) },
    },
  );
}
