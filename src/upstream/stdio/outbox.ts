import type { Writable } from 'node:stream';
import { RuntimeError } from '../../core/errors.js';
import { Soon } from '../../lib/soon.js';
import type { Delivery, Outgoing } from '../channel.js';

/** Characters that go into one write. */
const MAX_BATCH = 64 * 1_024;

interface Letter {
  readonly id: number | undefined;
  readonly line: string;
  readonly resolve: () => void;
  readonly reject: (error: RuntimeError) => void;
}

export interface OutboxOptions {
  readonly server: string;
  /** Bytes (of UTF-16 text, so an estimate) that may wait for a server that does not read. */
  readonly maxWaiting: number;
}

/**
 * Writes to a server's stdin in order, and no faster than it reads: what the pipe does not take waits here, where it
 * can still be taken back when its request ends.
 */
export class Outbox {
  readonly #stdin: Writable;
  readonly #options: OutboxOptions;
  readonly #waiting: Letter[] = [];
  readonly #inPipe = new Map<Letter, number | undefined>();
  #waitingSize = 0;
  #blocked = false;
  /** What is sent together, whichever clients it is from, leaves in one write: a system call costs more than the message. */
  readonly #soon = new Soon(() => this.#flush());
  #closed: RuntimeError | undefined;

  constructor(stdin: Writable, options: OutboxOptions) {
    this.#stdin = stdin;
    this.#options = options;
    stdin.on('drain', () => {
      this.#blocked = false;
      this.#flush();
    });
  }

  /** Resolves when the pipe has taken all of the message. */
  send({ id, json, isAlone = false }: Outgoing): Promise<void> {
    if (this.#closed) return Promise.reject(this.#closed);
    const { server, maxWaiting } = this.#options;
    if (this.#blocked && this.#waitingSize + json.length > maxWaiting) {
      return Promise.reject(
        new RuntimeError(
          'QUEUE_FULL',
          `The server "${server}" does not read its input: ${this.#waitingSize} bytes wait already.`,
          {
            hint: 'Stop the server and start it again.',
            data: { server, waitingBytes: this.#waitingSize },
          },
        ),
      );
    }
    return new Promise<void>((resolve, reject) => {
      this.#waiting.push({ id, line: `${json}\n`, resolve, reject });
      this.#waitingSize += json.length + 1;
      this.#soon.ask(isAlone);
    });
  }

  /** Takes a request back as far as that is possible. */
  release(id: number): Delivery {
    const at = this.#waiting.findIndex((letter) => letter.id === id);
    const letter = this.#waiting[at];
    if (letter) {
      this.#waiting.splice(at, 1);
      this.#waitingSize -= letter.line.length;
      letter.resolve();
      return 'unsent';
    }
    for (const inPipe of this.#inPipe.values()) if (inPipe === id) return 'partly';
    return 'sent';
  }

  /** No message leaves any more; those that wait fail. */
  close(error: RuntimeError): void {
    if (this.#closed) return;
    this.#closed = error;
    for (const letter of this.#waiting.splice(0)) letter.reject(error);
    for (const letter of this.#inPipe.keys()) letter.reject(error);
    this.#inPipe.clear();
    this.#waitingSize = 0;
  }

  #flush(): void {
    while (!this.#blocked && !this.#closed && this.#waiting.length > 0) {
      const batch = this.#nextBatch();
      const lines = batch.length === 1 ? (batch[0]?.line ?? '') : batch.map((letter) => letter.line).join('');
      this.#blocked = !this.#stdin.write(lines, 'utf8', (error) => {
        // The channel hears of a broken pipe by itself and closes this, which fails them with the reason.
        if (error) return;
        for (const letter of batch) {
          this.#inPipe.delete(letter);
          letter.resolve();
        }
      });
    }
  }

  #nextBatch(): Letter[] {
    let size = 0;
    let count = 0;
    for (const { line } of this.#waiting) {
      if (count > 0 && size + line.length > MAX_BATCH) break;
      size += line.length;
      count += 1;
    }
    this.#waitingSize -= size;
    const batch = this.#waiting.splice(0, count);
    for (const letter of batch) this.#inPipe.set(letter, letter.id);
    return batch;
  }
}
