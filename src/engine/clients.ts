import type { Caller } from '../core/caller.js';

export interface ConnectedClient {
  readonly caller: Caller;
  /** Ms since the epoch. */
  readonly since: number;
  readonly inFlight: number;
}

/** Who is connected and how much each of them waits for. */
export class Clients {
  readonly #clients = new Map<string, { caller: Caller; since: number; inFlight: number }>();

  attach(caller: Caller): void {
    this.#clients.set(caller.clientId, { caller, since: Date.now(), inFlight: 0 });
  }

  detach(clientId: string): void {
    this.#clients.delete(clientId);
  }

  /** Counts one request of a client for as long as `work` takes; also for clients that never attached. */
  async during<T>(clientId: string, work: () => Promise<T>): Promise<T> {
    const client = this.#clients.get(clientId);
    if (client) client.inFlight += 1;
    try {
      return await work();
    } finally {
      if (client) client.inFlight -= 1;
    }
  }

  list(): ConnectedClient[] {
    return [...this.#clients.values()].map((client) => ({ ...client }));
  }
}
