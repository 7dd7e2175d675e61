import type { Bytes } from '../lib/pieces.js';
import { type Scan, Scanner, scanMessage } from './json-scan.js';
import { type Incoming, readMessage } from './message.js';

/**
 * Reads the messages of one channel, a long one while its pieces come: nobody waits then until all of it is read at once,
 * which takes 0.7 ms for each MiB.
 */
export class MessageReader {
  #ahead: ScanAhead | undefined;

  /** @param pieces those that have come of a long message, in a list that grows until `read` has it. */
  growing(pieces: readonly Buffer[]): void {
    if (this.#ahead?.pieces !== pieces) this.#ahead = new ScanAhead(pieces);
    this.#ahead.advance();
  }

  /** The message that grew will not be read. */
  forget(): void {
    this.#ahead = undefined;
  }

  /** Never throws, whatever the bytes. */
  read(message: Bytes): Incoming {
    const ahead = this.#ahead;
    this.#ahead = undefined;
    if (!ahead) return readMessage(message);
    return readMessage(message, (bytes) => (bytes === ahead.pieces ? ahead.finish() : scanMessage(bytes)));
  }
}

/** What is mostly one text, as nearly all is that is long, is read once; all else is read anew when it is whole. */
class ScanAhead {
  readonly pieces: readonly Buffer[];
  readonly #scanner: Scanner;
  #seen = 0;
  #isAhead = true;

  constructor(pieces: readonly Buffer[]) {
    this.pieces = pieces;
    this.#scanner = new Scanner(pieces);
  }

  advance(): void {
    if (!this.#isAhead || this.#seen === this.pieces.length) return;
    this.#seen = this.pieces.length;
    this.#isAhead = this.#scanner.readOn();
  }

  finish(): Scan {
    this.advance();
    return this.#isAhead ? this.#scanner.scan : scanMessage(this.pieces);
  }
}
