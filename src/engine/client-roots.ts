import type { OperationContext } from '../core/caller.js';
import type { UpstreamSession } from '../core/upstream.js';
import { workspaceOf } from './workspace.js';

/** Roots of a client, as one server of its own knows them. */
interface Held {
  roots: unknown;
  session: UpstreamSession | undefined;
}

/** The roots that clients told their own servers: answered while none of their calls waits, and kept in step. */
export class ClientRoots {
  readonly #held = new Map<string, Set<Held>>();

  /**
   * Opens a server for one client.
   * @param open gets the way to the roots as they are at each moment; undefined: the client told none.
   */
  async during(
    clientId: string,
    roots: unknown,
    open: (now: () => unknown) => Promise<UpstreamSession>,
  ): Promise<UpstreamSession> {
    const held: Held = { roots, session: undefined };
    // Before the start, which may take long: roots that change meanwhile are right when the server asks.
    this.#of(clientId).add(held);
    try {
      const session = await open(() => held.roots);
      held.session = session;
      void session.ended.then(() => this.#drop(clientId, held));
      return session;
    } catch (error) {
      this.#drop(clientId, held);
      throw error;
    }
  }

  /** The client says that its roots are others now. Never rejects. @returns how many of its servers were told. */
  async changed({ caller, client, signal }: OperationContext): Promise<number> {
    const own = () => [...(this.#held.get(caller.clientId) ?? [])];
    if (own().length === 0) return 0;
    const { roots } = await workspaceOf(client, signal);
    const told = own().map(async (held) => {
      // A client that cannot be asked between its calls, as over HTTP without a stream, is asked by the next one.
      if (roots !== undefined) held.roots = roots;
      await held.session?.tell('notifications/roots/list_changed');
      return held.session !== undefined;
    });
    return (await Promise.all(told)).filter(Boolean).length;
  }

  #of(clientId: string): Set<Held> {
    const known = this.#held.get(clientId);
    if (known) return known;
    const made = new Set<Held>();
    this.#held.set(clientId, made);
    return made;
  }

  #drop(clientId: string, held: Held): void {
    const all = this.#held.get(clientId);
    all?.delete(held);
    if (all?.size === 0) this.#held.delete(clientId);
  }
}
