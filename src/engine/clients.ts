import type { Caller, OperationContext } from '../core/caller.js';
import { RuntimeError } from '../core/errors.js';
import { classify } from './classify.js';

export interface ConnectedClient {
  readonly caller: Caller;
  /** Ms since the epoch. */
  readonly since: number;
  readonly inFlight: number;
}

interface Client {
  readonly caller: Caller;
  readonly since: number;
  readonly requests: Set<AbortController>;
}

/** Who is connected, and what each of them waits for. */
export class Clients {
  readonly #clients = new Map<string, Client>();

  attach(caller: Caller): void {
    this.#clients.set(caller.clientId, { caller, since: Date.now(), requests: new Set() });
  }

  /** Withdraws what the client still waits for. */
  detach(clientId: string): void {
    const client = this.#clients.get(clientId);
    this.#clients.delete(clientId);
    for (const request of client?.requests ?? []) {
      request.abort(new RuntimeError('CANCELLED', 'The client left before the request was answered.'));
    }
  }

  /**
   * Runs one request: counted as long as it takes, and withdrawn when its client leaves. Clients that never attached
   * are served too. Rejects with a RuntimeError.
   */
  async during<T>(context: OperationContext, work: (context: OperationContext) => Promise<T>): Promise<T> {
    const { signal } = context;
    const requests = this.#clients.get(context.caller.clientId)?.requests;
    const own = new AbortController();
    const onAbort = () => own.abort(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    requests?.add(own);
    try {
      own.signal.throwIfAborted();
      return await work({ ...context, signal: own.signal });
    } catch (error) {
      throw classify(error, own.signal);
    } finally {
      requests?.delete(own);
      signal.removeEventListener('abort', onAbort);
    }
  }

  list(): ConnectedClient[] {
    return [...this.#clients.values()].map(({ caller, since, requests }) => ({
      caller,
      since,
      inFlight: requests.size,
    }));
  }
}
