import type { Caller } from '../core/caller.js';
import { RuntimeError } from '../core/errors.js';
import type { RuntimePort } from '../operations/table.js';
import type { ClientFacts } from './frames.js';

interface Attached {
  readonly caller: Caller;
  readonly detach: () => void;
  /** What its calls have in common. */
  client: ClientFacts | undefined;
}

/** At the engine: the callers of one front-end, attached to the runtime for as long as it is there. */
export class Callers {
  readonly #port: RuntimePort;
  readonly #most: number;
  readonly #attached = new Map<string, Attached>();

  constructor(port: RuntimePort, most: number) {
    this.#port = port;
    this.#most = most;
  }

  /** @throws RuntimeError when there are too many. */
  attach(caller: Caller): void {
    if (this.#attached.has(caller.clientId)) return;
    if (this.#attached.size >= this.#most)
      throw new RuntimeError('UPSTREAM_PROTOCOL', 'More callers came than one front-end may have.');
    this.#attached.set(caller.clientId, { caller, detach: this.#port.attach(caller), client: undefined });
  }

  detach(clientId: string): void {
    this.#attached.get(clientId)?.detach();
    this.#attached.delete(clientId);
  }

  tell(clientId: string, client: ClientFacts): void {
    const attached = this.#attached.get(clientId);
    if (attached !== undefined) attached.client = client;
  }

  find(clientId: string): Readonly<Attached> | undefined {
    return this.#attached.get(clientId);
  }

  list(): Caller[] {
    return [...this.#attached.values()].map(({ caller }) => caller);
  }

  clear(): void {
    for (const clientId of [...this.#attached.keys()]) this.detach(clientId);
  }
}
