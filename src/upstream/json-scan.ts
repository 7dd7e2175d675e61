import { type Bytes, oneOf } from '../lib/pieces.js';
import { LONGEST_SPELLING, type MemberName, memberNameIn } from './json-members.js';
import { endOfRest, endOfString, INVALID, wordsOf } from './json-text.js';

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
/** A value's place in all of the bytes: from `start` up to but not including `end`. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export interface Scan {
  /** The bytes are one JSON text, exactly as JSON.parse would have it (UTF-8 validity aside). */
  readonly valid: boolean;
  readonly kind: 'object' | 'array' | 'other';
  /** The deepest nesting met; a lone number is 0, `{}` is 1. */
  readonly depth: number;
  /** Of a name that occurs twice the last counts, as with JSON.parse. When not valid: what was read before the fault. */
  readonly members: Partial<Record<MemberName, Span>>;
}

/**
 * Reads a JSON text without building it: checks the whole grammar, measures the nesting and notes where the members
 * of a JSON-RPC message stand, in any order. So a large result is passed on as the bytes that came, and yet nothing
 * that is not JSON is ever passed on. No recursion: nesting costs a byte a level. Of several pieces one is read after the
 * other; whatever is cut between two of them is the same as whole.
 */
export function scanMessage(bytes: Bytes): Scan {
  const scanner = new Scanner(bytes);
  scanner.readOn();
  return scanner.scan;
}

/** One reading of a text, of which more pieces may come while it is read. */
export class Scanner {
  readonly #all: Bytes;
  /** The piece that is being read, and how many came before it. */
  #bytes: Buffer;
  #length: number;
  #piece = 0;
  /** Bytes before this piece. */
  #base = 0;
  readonly #members: Partial<Record<MemberName, Span>> = {};
  #at = 0;
  #stack = new Uint8Array(64);
  #depth = 0;
  #deepest = 0;
  /** The bytes again as words, for long texts. */
  #words: DataView | undefined;
  #key: MemberName | undefined;
  #valueStart = 0;
  #first: number | undefined;
  #valid: boolean | undefined;
  /** How the text of a value goes on behind the pieces that there are, as `endOfString` says it. */
  #torn: number | undefined;

  constructor(all: Bytes) {
    const first = Buffer.isBuffer(all) ? all : (all[0] ?? Buffer.alloc(0));
    this.#all = all;
    this.#bytes = first;
    this.#length = first.byteLength;
    this.#words = wordsOf(first);
  }

  /** What is known of all that there is. */
  get scan(): Scan {
    const first = this.#first;
    return {
      valid: this.#valid === true,
      kind: first === OPEN_OBJECT ? 'object' : first === OPEN_ARRAY ? 'array' : 'other',
      depth: this.#deepest,
      members: this.#members,
    };
  }

  /**
   * Reads as far as the pieces go.
   * @returns whether it can read on when there are more. Where they end within anything but the text of a value it cannot,
   * and all has to be read anew.
   */
  readOn(): boolean {
    const torn = this.#torn;
    this.#torn = undefined;
    if (torn !== undefined) this.#valid = this.#restOfValue(torn);
    else if (this.#valid === undefined) {
      this.#first = this.#space();
      this.#valid = this.#text();
    } else return this.#valid && this.#peek() === undefined;
    return this.#valid || this.#torn !== undefined;
  }

  #restOfValue(torn: number): boolean {
    if (!this.#untilQuote(torn)) return false;
    return this.#afterValue() ?? this.#text();
  }

  #text(): boolean {
    for (;;) {
      // Here a value begins.
      const byte = this.#peek();
      if (byte === OPEN_OBJECT) {
        this.#push(byte);
        if (this.#space() !== CLOSE_OBJECT) {
          if (!this.#name()) return false;
          continue;
        }
        this.#pop();
      } else if (byte === OPEN_ARRAY) {
        this.#push(byte);
        if (this.#space() !== CLOSE_ARRAY) continue;
        this.#pop();
      } else if (!this.#scalar(byte)) return false;
      // Here a value has ended; so may those that hold it.
      const more = this.#afterValue();
      if (more !== undefined) return more;
    }
  }

  /** @returns undefined: another value follows; true: the text is over; false: it is no JSON. */
  #afterValue(): boolean | undefined {
    for (;;) {
      if (this.#depth === 1) this.#note();
      const byte = this.#space();
      if (this.#depth === 0) return byte === undefined;
      const inObject = this.#stack[this.#depth - 1] === OPEN_OBJECT;
      if (byte === COMMA) {
        this.#at += 1;
        this.#space();
        if (!inObject) return undefined;
        return this.#name() ? undefined : false;
      }
      if (byte !== (inObject ? CLOSE_OBJECT : CLOSE_ARRAY)) return false;
      this.#pop();
    }
  }

  /** The byte that comes next, from the next piece where this one is over; undefined at the end of all. */
  #peek(): number | undefined {
    return this.#at < this.#length ? this.#bytes[this.#at] : this.#nextPiece();
  }

  /** Goes on to the next piece that is not empty. @returns its first byte. */
  #nextPiece(): number | undefined {
    if (Buffer.isBuffer(this.#all)) return undefined;
    while (this.#piece + 1 < this.#all.length) {
      this.#piece += 1;
      this.#base += this.#length;
      this.#bytes = this.#all[this.#piece] as Buffer;
      this.#length = this.#bytes.byteLength;
      this.#words = wordsOf(this.#bytes);
      this.#at = 0;
      if (this.#length > 0) return this.#bytes[0];
    }
    return undefined;
  }

  #push(opener: number): void {
    if (this.#depth === this.#stack.length) {
      const larger = new Uint8Array(this.#stack.length * 2);
      larger.set(this.#stack);
      this.#stack = larger;
    }
    this.#stack[this.#depth] = opener;
    this.#depth += 1;
    if (this.#depth > this.#deepest) this.#deepest = this.#depth;
    this.#at += 1;
  }

  #pop(): void {
    this.#depth -= 1;
    this.#at += 1;
  }

  /** A value directly in the outermost object has ended. */
  #note(): void {
    // A number that ends where the bytes end may have been cut short.
    if (this.#key === undefined || this.#peek() === undefined) return;
    this.#members[this.#key] = { start: this.#valueStart, end: this.#base + this.#at };
    this.#key = undefined;
  }

  /** A name in an object, its colon, and the space up to its value. */
  #name(): boolean {
    if (this.#peek() !== QUOTE) return false;
    const isMember = this.#depth === 1;
    const start = this.#base + this.#at;
    if (!this.#string()) {
      this.#torn = undefined;
      return false;
    }
    if (isMember) this.#key = this.#memberName(start, this.#base + this.#at);
    if (this.#space() !== COLON) return false;
    this.#at += 1;
    this.#space();
    if (isMember) this.#valueStart = this.#base + this.#at;
    return true;
  }

  #memberName(start: number, end: number): MemberName | undefined {
    if (end - start > LONGEST_SPELLING) return undefined;
    if (start < this.#base) return memberNameIn(oneOf(this.#all, start, end), 0, end - start);
    return memberNameIn(this.#bytes, start - this.#base, end - start);
  }

  /** Goes on behind space, if there is any. @returns the byte there; undefined at the end of all. */
  #space(): number | undefined {
    const byte = this.#bytes[this.#at];
    return byte !== undefined && byte > 0x20 ? byte : this.#skipSpace();
  }

  #skipSpace(): number | undefined {
    let byte = this.#peek();
    while (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) {
      this.#at += 1;
      byte = this.#peek();
    }
    return byte;
  }

  #scalar(byte: number | undefined): boolean {
    if (byte === QUOTE) return this.#string();
    if (byte === 0x74) return this.#word('true');
    if (byte === 0x66) return this.#word('false');
    if (byte === 0x6e) return this.#word('null');
    return this.#number();
  }

  #word(word: string): boolean {
    for (let i = 0; i < word.length; i += 1) {
      if (this.#peek() !== word.charCodeAt(i)) return false;
      this.#at += 1;
    }
    return true;
  }

  #string(): boolean {
    return this.#untilQuote(endOfString(this.#bytes, this.#words, this.#at + 1));
  }

  /** @param found the end in this piece, or how the text goes on behind it. */
  #untilQuote(found: number): boolean {
    let end = found;
    while (end < INVALID) {
      if (this.#nextPiece() === undefined) {
        this.#torn = end;
        return false;
      }
      end = endOfRest(this.#bytes, this.#words, end);
    }
    if (end === INVALID) return false;
    this.#at = end;
    return true;
  }

  #digits(): boolean {
    const start = this.#base + this.#at;
    do {
      const bytes = this.#bytes;
      let at = this.#at;
      while (isDigit(bytes[at])) at += 1;
      this.#at = at;
    } while (this.#at === this.#length && this.#nextPiece() !== undefined);
    return this.#base + this.#at > start;
  }

  #number(): boolean {
    if (this.#peek() === 0x2d) this.#at += 1;
    if (this.#peek() === 0x30) this.#at += 1;
    else if (!this.#digits()) return false;
    if (this.#peek() === 0x2e) {
      this.#at += 1;
      if (!this.#digits()) return false;
    }
    const exponent = this.#peek();
    if (exponent === 0x65 || exponent === 0x45) {
      this.#at += 1;
      const sign = this.#peek();
      if (sign === 0x2b || sign === 0x2d) this.#at += 1;
      if (!this.#digits()) return false;
    }
    return true;
  }
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}
