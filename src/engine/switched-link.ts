import type { ClientLink, Round } from '../core/client-link.js';

/** The client of a call that may become a task on the way: then whoever looks after the task is asked instead. */
export class SwitchedLink implements ClientLink {
  #to: ClientLink;
  #open = 0;
  #answered: (() => void)[] = [];

  constructor(client: ClientLink) {
    this.#to = client;
  }

  get clientId(): string {
    return this.#to.clientId;
  }

  get capabilities(): Readonly<Record<string, unknown>> {
    return this.#to.capabilities;
  }

  get logLevel(): string | undefined {
    return this.#to.logLevel;
  }

  get workspace(): string | undefined {
    return this.#to.workspace;
  }

  get round(): Round | undefined {
    return this.#to.round;
  }

  get later(): boolean | undefined {
    return this.#to.later;
  }

  switchTo(client: ClientLink): void {
    this.#to = client;
  }

  /** Resolves once no question is open. */
  async answered(): Promise<void> {
    while (this.#open > 0) await new Promise<void>((resolve) => this.#answered.push(resolve));
  }

  async ask(method: string, params: unknown): Promise<unknown> {
    this.#open += 1;
    try {
      return await this.#to.ask(method, params);
    } finally {
      this.#open -= 1;
      for (const resolve of this.#answered.splice(0)) resolve();
    }
  }

  tell(method: string, params: Readonly<Record<string, unknown>>): void {
    this.#to.tell(method, params);
  }
}
