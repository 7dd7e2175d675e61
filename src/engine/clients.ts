import { type Caller, type OperationContext, withSignal } from '../core/caller.js';
import { RuntimeError } from '../core/errors.js';
import { CallSignal } from '../lib/call-signal.js';
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
  readonly requests: Set<CallSignal>;
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
    const requests = this.#clients.get(context.caller.clientId)?.requests;
    const own = new CallSignal();
    const unfollow = own.follow(context.signal);
    requests?.add(own);
    try {
      own.throwIfAborted();
      return await work(withSignal(context, own));
    } catch (error) {
      throw classify(error, own);
    } finally {
      requests?.delete(own);
      unfollow();
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
