import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { Breather } from '../lib/breather.js';

/** Room for twice as many entries as there are, so that a search ends after a step or two. */
const SPARSE = 2;
const LINE_FEED = 0x0a;
const SPACE = 0x20;
const PADDING = 0x3d;

/**
 * The pieces that tokens stand for, and the rank of each: the order in which pieces are merged. All of them lie in three
 * arrays of numbers: 2.2 MB that a collection never walks through, where a Map of 100,000 strings is 40 MB that it does.
 */
export class Vocabulary {
  readonly #bytes: Uint8Array;
  /** Where each rank begins in `#bytes`, and where the last one ends. */
  readonly #starts: Uint32Array;
  /** Open addressing: rank + 1, or 0 where nothing is. */
  readonly #slots: Uint32Array;
  readonly #mask: number;

  private constructor(bytes: Uint8Array, starts: Uint32Array) {
    this.#bytes = bytes;
    this.#starts = starts;
    const size = 2 ** Math.ceil(Math.log2(starts.length * SPARSE));
    this.#slots = new Uint32Array(size);
    this.#mask = size - 1;
  }

  /**
   * Reads a file as OpenAI's tiktoken has them: on each line a piece in base64, a space, and its rank; ranks rise by one.
   * Others get a turn meanwhile.
   */
  static async read(file: Buffer): Promise<Vocabulary> {
    const breather = new Breather();
    const bytes = new Uint8Array(file.length);
    const starts: number[] = [];
    let used = 0;
    for (let at = 0; at < file.length; at += 1) {
      starts.push(used);
      // Digit by digit: a call into native code for each of a hundred thousand short texts is dearer than all of this.
      for (let held = 0, bits = 0; at < file.length && file[at] !== SPACE; at += 1) {
        if (file[at] === PADDING) continue;
        held = (held << 6) | (DIGITS[file[at] as number] as number);
        bits += 6;
        if (bits < 8) continue;
        bits -= 8;
        bytes[used++] = (held >>> bits) & 0xff;
      }
      while (at < file.length && file[at] !== LINE_FEED) at += 1;
      if (starts.length % 1_024 === 0 && breather.isDue) await breather.pause();
    }
    const vocabulary = new Vocabulary(bytes.slice(0, used), Uint32Array.from([...starts, used]));
    for (let rank = 0; rank < starts.length; rank += 1) {
      vocabulary.#enter(rank);
      if (rank % 1_024 === 0 && breather.isDue) await breather.pause();
    }
    return vocabulary;
  }

  /** The rank of the piece in `text` from `from` to before `to`, or -1 when it is none. */
  rank(text: Uint8Array, from: number, to: number): number {
    for (let slot = hash(text, from, to) & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const rank = (this.#slots[slot] as number) - 1;
      if (rank < 0 || this.#is(rank, text, from, to)) return rank;
    }
  }

  #is(rank: number, text: Uint8Array, from: number, to: number): boolean {
    const start = this.#starts[rank] as number;
    if ((this.#starts[rank + 1] as number) - start !== to - from) return false;
    for (let at = from; at < to; at += 1) if (this.#bytes[start + at - from] !== text[at]) return false;
    return true;
  }

  #enter(rank: number): void {
    const [start, end] = [this.#starts[rank] as number, this.#starts[rank + 1] as number];
    let slot = hash(this.#bytes, start, end) & this.#mask;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & this.#mask;
    this.#slots[slot] = rank + 1;
  }
}

/** Reads the vocabulary of cl100k. */
export async function loadVocabulary(): Promise<Vocabulary> {
  const file = createRequire(import.meta.url).resolve('gpt-tokenizer/data/cl100k_base.tiktoken');
  return Vocabulary.read(await readFile(file));
}

/** FNV-1a, with its bits folded: the table is indexed by the lowest ones. */
function hash(bytes: Uint8Array, from: number, to: number): number {
  let value = 0x811c9dc5;
  for (let at = from; at < to; at += 1) value = Math.imul(value ^ (bytes[at] as number), 0x01000193);
  return value ^ (value >>> 15);
}

/** The value of each base64 digit. */
const DIGITS = new Uint8Array(256);
for (const [value, digit] of [
  ...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/',
].entries())
  DIGITS[digit.charCodeAt(0)] = value;
