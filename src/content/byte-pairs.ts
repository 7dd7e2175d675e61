import { loadVocabulary, type Vocabulary } from './vocabulary.js';

/**
 * Where cl100k parts a text before anything is merged: contractions, words with what stands before them, numbers of up
 * to three digits, punctuation, blanks (openai/tiktoken, openai_public.py).
 */
const PARTS =
  /'(?:[sdmtSDMT]|[lL][lL]|[vV][eE]|[rR][eE])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s+$|\s*[\r\n]|\s+(?!\S)|\s/gu;

/** A UTF-16 unit is at most three bytes of UTF-8. */
const BYTES_PER_UNIT = 3;
/** Merging takes time with the square of the length; texts that need it tend to repeat their long parts. */
const REMEMBERED_FROM = 24;
const REMEMBERED = 256;
const NONE = 0x7fffffff;

/**
 * Counts the tokens of cl100k. Our own, because the libraries hold the vocabulary as a Map of strings: loading it stopped
 * everything for 0.2 s, and every full collection walked through its 40 MB (docs/adr/0014-tokens-counted-over-arrays.md).
 */
export class BytePairCounter {
  readonly #vocabulary: Vocabulary;
  #text = new Uint8Array(BYTES_PER_UNIT * 1_024);
  /** Of the pieces that are left: where the next one begins, and the rank of a piece together with the next one. */
  #next = new Int32Array(BYTES_PER_UNIT * 1_024 + 1);
  #ranks = new Int32Array(BYTES_PER_UNIT * 1_024 + 1);
  readonly #remembered = new Map<string, number>();

  constructor(vocabulary: Vocabulary) {
    this.#vocabulary = vocabulary;
  }

  static async load(): Promise<BytePairCounter> {
    return new BytePairCounter(await loadVocabulary());
  }

  /** Tokens of a text. Control tokens such as `<|endoftext|>` are the characters they are. Quadratic in an unbroken run. */
  count(text: string): number {
    let tokens = 0;
    for (const [part] of text.matchAll(PARTS)) tokens += this.#countPart(part);
    return tokens;
  }

  #countPart(part: string): number {
    const bytes = this.#encode(part);
    if (this.#vocabulary.rank(this.#text, 0, bytes) >= 0) return 1;
    if (part.length < REMEMBERED_FROM) return this.#merge(bytes);
    const known = this.#remembered.get(part);
    if (known !== undefined) return known;
    const tokens = this.#merge(bytes);
    if (this.#remembered.size >= REMEMBERED) this.#remembered.clear();
    this.#remembered.set(part, tokens);
    return tokens;
  }

  /** Puts a part into `#text` as UTF-8, as TextEncoder would: half a pair becomes U+FFFD. @returns its bytes. */
  #encode(part: string): number {
    if (part.length * BYTES_PER_UNIT > this.#text.length) this.#grow(part.length * BYTES_PER_UNIT);
    const text = this.#text;
    let at = 0;
    for (let index = 0; index < part.length; index += 1) {
      let code = part.charCodeAt(index);
      if (code < 0x80) {
        text[at++] = code;
        continue;
      }
      if (code < 0x800) text[at++] = 0xc0 | (code >> 6);
      else {
        if ((code & 0xf800) === 0xd800) {
          const point = part.codePointAt(index) as number;
          if (point > 0xffff) index += 1;
          code = point > 0xffff ? point : 0xfffd;
        }
        if (code > 0xffff) {
          text[at++] = 0xf0 | (code >> 18);
          text[at++] = 0x80 | ((code >> 12) & 0x3f);
        } else text[at++] = 0xe0 | (code >> 12);
        text[at++] = 0x80 | ((code >> 6) & 0x3f);
      }
      text[at++] = 0x80 | (code & 0x3f);
    }
    return at;
  }

  #grow(bytes: number): void {
    this.#text = new Uint8Array(bytes);
    this.#next = new Int32Array(bytes + 1);
    this.#ranks = new Int32Array(bytes + 1);
  }

  /** Merges the two neighbours of the lowest rank until no two are a piece. @returns how many pieces are left. */
  #merge(bytes: number): number {
    const [next, ranks] = [this.#next, this.#ranks];
    for (let at = 0; at <= bytes; at += 1) next[at] = at + 1;
    for (let at = 0; at < bytes; at += 1) ranks[at] = this.#rankOfTwo(at, bytes);
    for (let left = bytes; ; left -= 1) {
      let lowest = NONE;
      let place = -1;
      let before = -1;
      for (let at = 0, last = -1; at < bytes; last = at, at = next[at] as number) {
        if ((ranks[at] as number) >= lowest) continue;
        lowest = ranks[at] as number;
        place = at;
        before = last;
      }
      if (place < 0) return left;
      next[place] = next[next[place] as number] as number;
      ranks[place] = this.#rankOfTwo(place, bytes);
      if (before >= 0) ranks[before] = this.#rankOfTwo(before, bytes);
    }
  }

  #rankOfTwo(at: number, bytes: number): number {
    const middle = this.#next[at] as number;
    if (middle >= bytes) return NONE;
    const rank = this.#vocabulary.rank(this.#text, at, this.#next[middle] as number);
    return rank < 0 ? NONE : rank;
  }
}
