import type { Caller } from '../core/caller.js';
import type { RuntimePort } from '../operations/table.js';
import { sessionLink } from './client-links.js';
import type { Params, WayBack } from './client-way.js';

/** Hands on that the roots of a client have changed: one at a time, and however often it says so, once more at the end. */
export class RootsNews {
  readonly #port: RuntimePort;
  readonly #caller: Caller;
  readonly #workspace: string | undefined;
  readonly #abort = new AbortController();
  #isTelling = false;
  #again = false;

  /** @param workspace where the client works, if that is known. */
  constructor(port: RuntimePort, caller: Caller, workspace: string | undefined) {
    this.#port = port;
    this.#caller = caller;
    this.#workspace = workspace;
  }

  /**
   * The client said that its roots have changed. One that declared none is not believed. Never rejects.
   * @param way to a client of a revision with sessions; the other one has no roots but those of a request.
   */
  async tell(way: WayBack, capabilities: Params): Promise<void> {
    if (capabilities['roots'] === undefined) return;
    this.#again = true;
    if (this.#isTelling) return;
    this.#isTelling = true;
    const { clientId } = this.#caller;
    const facts = { clientId, capabilities, logLevel: undefined, workspace: this.#workspace };
    while (this.#again && !this.#abort.signal.aborted) {
      this.#again = false;
      const done = new AbortController();
      const signal = AbortSignal.any([this.#abort.signal, done.signal]);
      const client = sessionLink(facts, way, signal);
      await this.#port.roots_changed({}, { caller: this.#caller, signal, client }).catch(() => {
        // There is no engine: a server that starts later asks for the roots of then.
      });
      // Takes back a question that the client did not answer in time.
      done.abort();
    }
    this.#isTelling = false;
  }

  /** The client is gone. */
  close(): void {
    this.#abort.abort();
  }
}
