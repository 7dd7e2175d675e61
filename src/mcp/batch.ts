/** Batches came with JSON-RPC and left MCP with revision 2025-06-18. */
export const allowsBatches = (revision: string | undefined): boolean =>
  revision !== undefined && revision < '2025-06-18';

export const MAX_BATCH = 100;

/** Collects the answers to the requests of one batch: they leave together, once the last is there. */
export class Batch {
  readonly #write: (answers: readonly object[]) => void;
  readonly #answers: object[] = [];
  #waiting = 0;

  constructor(write: (answers: readonly object[]) => void) {
    this.#write = write;
  }

  expect(): void {
    this.#waiting += 1;
  }

  /** @param answer undefined when the request was cancelled and is not answered. */
  settle(answer: object | undefined): void {
    if (answer) this.#answers.push(answer);
    this.#waiting -= 1;
    if (this.#waiting === 0 && this.#answers.length > 0) this.#write(this.#answers);
  }
}
