import type { ClientLink } from '../core/client-link.js';
import type { ClientFacts, ClientFrame, ServerFrame } from './frames.js';

type Answer = Extract<ClientFrame, { type: 'answer' }>;
type Ask = Extract<ServerFrame, { type: 'ask' }>;

/** Of one call; a server that asks more waits for answers first. */
const MAX_OPEN = 64;

interface Pending {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: object) => void;
}

/** At the engine: what servers ask of the clients at the other end, by call. */
export class Questions {
  readonly #open = new Map<number, Map<number, Pending>>();
  #next = 1;

  /** The client of a call, seen through the wire. */
  link(id: number, clientId: string, facts: ClientFacts, send: (frame: ServerFrame) => void): ClientLink {
    const { capabilities, logLevel, workspace, round } = facts;
    return {
      clientId,
      capabilities,
      logLevel,
      workspace,
      round,
      ask: (method, params) => {
        const open = this.#open.get(id) ?? new Map<number, Pending>();
        if (open.size >= MAX_OPEN) return Promise.reject(rpcError('Too many requests wait for the client'));
        this.#open.set(id, open);
        const ask = this.#next++;
        return new Promise((resolve, reject) => {
          open.set(ask, { resolve, reject });
          send({ type: 'ask', id, ask, method, params });
        });
      },
      tell: (method, params) => send({ type: 'tell', id, method, params: { ...params } }),
    };
  }

  answer({ id, ask, result, error }: Answer): void {
    const pending = this.#open.get(id)?.get(ask);
    this.#open.get(id)?.delete(ask);
    if (error === undefined) pending?.resolve(result ?? {});
    else pending?.reject(error);
  }

  /** The call is over: nobody waits for what was asked. */
  drop(id: number): void {
    for (const { reject } of this.#open.get(id)?.values() ?? []) reject(rpcError('The call is over'));
    this.#open.delete(id);
  }
}

/** At the front-end: asks the client and sends what it answers. */
export function passOn(frame: Ask, client: ClientLink | undefined, send: (frame: ClientFrame) => void): void {
  const { id, ask, method, params } = frame;
  const answer = client ? client.ask(method, params) : Promise.reject(rpcError('The call is over'));
  answer.then(
    (result) => send({ type: 'answer', id, ask, result }),
    (error: unknown) => send({ type: 'answer', id, ask, error: asRpcError(error) }),
  );
}

function asRpcError(error: unknown): NonNullable<Answer['error']> {
  const { code, message, data } = (error ?? {}) as { code?: unknown; message?: unknown; data?: unknown };
  return {
    code: typeof code === 'number' ? code : -32603,
    message: typeof message === 'string' ? message : 'The client could not be asked',
    ...(data === undefined ? {} : { data }),
  };
}

const rpcError = (message: string) => ({ code: -32603, message });
