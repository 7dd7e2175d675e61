import { isAscii } from 'node:buffer';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const LINE_FEED = 0x0a;
const WINDOW = 512 * 1024;
/** What one escape at the end of a window may still add to it. */
const SPARE = 8;
const REPLACEMENT = 0xfffd;

/** By the byte after the backslash; 0 for `u`. */
const simple = new Uint8Array(256);
for (const [letter, byte] of Object.entries({
  '"': 0x22,
  '\\': 0x5c,
  '/': 0x2f,
  b: 8,
  f: 12,
  n: 10,
  r: 13,
  t: 9,
}))
  simple[letter.charCodeAt(0)] = byte;

/** A long string inside of JSON that is read from the JSON's own bytes, so that it never stands in memory a second time. */
export class JsonString {
  readonly #json: Uint8Array;
  readonly #start: number;
  readonly #end: number;

  /** @param start after the first quote. @param end at the last. */
  constructor(json: Uint8Array, start: number, end: number) {
    this.#json = json;
    this.#start = start;
    this.#end = end;
  }

  /** The most that the text can have in UTF-8. */
  get maxBytes(): number {
    return this.#end - this.#start;
  }

  /** The text in UTF-8, in blocks of at most 512 KiB that are valid until the next is taken. */
  blocks(tally: TextTally): Generator<Buffer, void, undefined> {
    return decoded(this.#json, this.#start, this.#end, tally);
  }

  /** The first characters: those of at least `bytes` bytes of the JSON, or all. */
  head(bytes: number): string {
    const pieces: Buffer[] = [];
    const end = Math.min(this.#end, this.#start + bytes);
    for (const block of decoded(this.#json, this.#start, end, new TextTally(), this.#end))
      pieces.push(Buffer.from(block));
    const text = Buffer.concat(pieces).toString('utf8');
    return end < this.#end ? text.replace(/\ufffd+$/, '') : text;
  }

  /** All of it. */
  toString(): string {
    const { buffer, byteOffset } = this.#json;
    const quoted = Buffer.from(buffer, byteOffset + this.#start - 1, this.#end - this.#start + 2);
    return JSON.parse(quoted.toString('utf8')) as string;
  }

  /** What it says as base64. */
  decodeBase64(): Buffer {
    const { buffer, byteOffset } = this.#json;
    const raw = Buffer.from(buffer, byteOffset + this.#start, this.#end - this.#start);
    return Buffer.from(raw.includes(BACKSLASH) ? this.toString() : raw.toString('latin1'), 'base64');
  }
}

/** What is learnt of a text while it passes. */
export class TextTally {
  newlines = 0;
  /** As `String.length` counts. */
  chars = 0;
  endsWithNewline = false;

  get lines(): number {
    return this.newlines + (this.endsWithNewline ? 0 : 1);
  }
}

/**
 * Finds the strings of a JSON text that are longer than so many bytes and are values, not names.
 * @returns undefined for what ends inside of a string.
 */
export function longStrings(
  json: Uint8Array,
  longerThan: number,
): { start: number; end: number }[] | undefined {
  const found: { start: number; end: number }[] = [];
  // The search of a Buffer is native, ten times as fast as a loop here.
  const text = Buffer.from(json.buffer, json.byteOffset, json.byteLength);
  for (let quote = text.indexOf(QUOTE); quote >= 0; ) {
    const start = quote + 1;
    let end = text.indexOf(QUOTE, start);
    while (end >= 0 && isEscaped(text, start, end)) end = text.indexOf(QUOTE, end + 1);
    if (end < 0) return undefined;
    if (end - start > longerThan && afterSpace(json, end + 1) !== COLON) found.push({ start, end });
    quote = text.indexOf(QUOTE, end + 1);
  }
  return found;
}

/** Whether an odd number of backslashes stands before it. */
function isEscaped(text: Uint8Array, start: number, at: number): boolean {
  let from = at;
  while (from > start && text[from - 1] === BACKSLASH) from -= 1;
  return (at - from) % 2 === 1;
}

function afterSpace(json: Uint8Array, from: number): number | undefined {
  let at = from;
  while (json[at] === 0x20 || json[at] === 0x0a || json[at] === 0x0d || json[at] === 0x09) at += 1;
  return json[at];
}

function* decoded(
  json: Uint8Array,
  start: number,
  end: number,
  tally: TextTally,
  last = end,
): Generator<Buffer, void, undefined> {
  const out = Buffer.allocUnsafe(Math.min(WINDOW, end - start) + SPARE);
  const window = { at: start, to: 0 };
  const source = Buffer.from(json.buffer, json.byteOffset, json.byteLength);
  while (window.at < end) {
    const stop = Math.min(end, window.at + WINDOW);
    const plain = source.subarray(window.at, stop);
    if (!plain.includes(BACKSLASH) && isAscii(plain)) {
      // As it stands; a line feed is always an escape.
      tally.chars += plain.length;
      tally.endsWithNewline = false;
      window.at = stop;
      yield plain;
      continue;
    }
    decodeWindow(json, window, { stop, last }, out, tally);
    tally.endsWithNewline = out[window.to - 1] === LINE_FEED;
    yield out.subarray(0, window.to);
  }
}

/** Not in the generator itself, where the loop would run ten times slower. */
function decodeWindow(
  json: Uint8Array,
  window: { at: number; to: number },
  { stop, last }: { stop: number; last: number },
  out: Uint8Array,
  tally: TextTally,
): void {
  let { at } = window;
  let to = 0;
  // Continuation bytes are no character of their own; a character of four bytes is two in UTF-16.
  let unseen = 0;
  let newlines = 0;
  while (at < stop) {
    const byte = json[at] as number;
    if (byte !== BACKSLASH) {
      if (byte >= 0x80) unseen += byte < 0xc0 ? 1 : byte >= 0xf0 ? -1 : 0;
      out[to++] = byte;
      at += 1;
      continue;
    }
    const plain = simple[json[at + 1] as number] as number;
    if (plain !== 0) {
      if (plain === LINE_FEED) newlines += 1;
      out[to++] = plain;
      at += 2;
      continue;
    }
    let code = hex(json, at + 2);
    at += 6;
    if (code >= 0xd800 && code < 0xe000) {
      const pair = code < 0xdc00 && at + 6 <= last && json[at] === BACKSLASH && json[at + 1] === 0x75;
      const low = pair ? hex(json, at + 2) : 0;
      if (low >= 0xdc00 && low < 0xe000) {
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        at += 6;
      } else code = REPLACEMENT;
    }
    if (code === LINE_FEED) newlines += 1;
    const before = to;
    to = writeCodePoint(out, to, code);
    unseen += to - before - (code > 0xffff ? 2 : 1);
  }
  tally.chars += to - unseen;
  tally.newlines += newlines;
  window.at = at;
  window.to = to;
}

function hex(json: Uint8Array, at: number): number {
  return Number.parseInt(
    String.fromCharCode(json[at] ?? 0, json[at + 1] ?? 0, json[at + 2] ?? 0, json[at + 3] ?? 0),
    16,
  );
}

function writeCodePoint(out: Uint8Array, at: number, code: number): number {
  let to = at;
  if (code < 0x80) out[to++] = code;
  else if (code < 0x800) {
    out[to++] = 0xc0 | (code >> 6);
    out[to++] = 0x80 | (code & 0x3f);
  } else {
    if (code < 0x10000) out[to++] = 0xe0 | (code >> 12);
    else {
      out[to++] = 0xf0 | (code >> 18);
      out[to++] = 0x80 | ((code >> 12) & 0x3f);
    }
    out[to++] = 0x80 | ((code >> 6) & 0x3f);
    out[to++] = 0x80 | (code & 0x3f);
  }
  return to;
}
