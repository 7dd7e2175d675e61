import { Soon } from '../lib/soon.js';
import type { Message } from './link.js';

/** So much leaves at the latest at once. */
const MAX_BYTES = 1024 * 1024;
/** What is larger gains nothing by leaving early, and comes with more of its kind. */
const SMALL_BYTES = 16 * 1024;

/** Messages that are sent within one turn of the event loop leave together, in one system call. */
export class TickBatch {
  readonly #send: (messages: readonly Message[]) => void;
  /** Made with its first message: what is old keeps the young that it refers to from being freed, even as garbage. */
  #messages: Message[] | undefined;
  #bytes = 0;
  readonly #soon = new Soon(() => this.flush());

  constructor(send: (messages: readonly Message[]) => void) {
    this.#send = send;
  }

  /** @param isAlone see `LinkConnection.send`. */
  add(message: Message, isAlone: boolean): void {
    for (const part of message) this.#bytes += part.byteLength;
    if (this.#messages) this.#messages.push(message);
    else {
      this.#messages = [message];
      this.#soon.ask(isAlone && this.#bytes <= SMALL_BYTES);
    }
    if (this.#bytes > MAX_BYTES) this.flush();
  }

  flush(): void {
    const messages = this.#messages;
    if (!messages) return;
    this.#messages = undefined;
    this.#bytes = 0;
    this.#send(messages);
  }
}
