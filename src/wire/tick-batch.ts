import type { Message } from './link.js';

/** So much leaves at the latest at once. */
const MAX_BYTES = 1024 * 1024;

/** Messages that are sent within one turn of the event loop: they leave together, in one system call. */
export class TickBatch {
  readonly #send: (messages: readonly Message[]) => void;
  #messages: Message[] = [];
  #bytes = 0;

  constructor(send: (messages: readonly Message[]) => void) {
    this.#send = send;
  }

  add(message: Message): void {
    if (this.#messages.length === 0) setImmediate(this.flush);
    this.#messages.push(message);
    for (const part of message) this.#bytes += part.byteLength;
    if (this.#bytes > MAX_BYTES) this.flush();
  }

  readonly flush = (): void => {
    const messages = this.#messages;
    if (messages.length === 0) return;
    this.#messages = [];
    this.#bytes = 0;
    this.#send(messages);
  };
}
