import { isAscii } from 'node:buffer';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const LINE_FEED = 0x0a;
const WINDOW = 512 * 1024;
/** What one escape at the end of a window may still add to it. */
const SPARE = 8;
const REPLACEMENT = 0xfffd;
/** Two escapes of six bytes that are one character together. */
const PAIR = 12;
const QUOTES = Buffer.from('"');

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
  readonly #pieces: readonly Uint8Array[];

  /** @param pieces what stands between the quotes, as it came. */
  constructor(pieces: readonly Uint8Array[]) {
    this.#pieces = pieces;
  }

  /** The text in UTF-8, in blocks of at most 512 KiB that are valid until the next is taken. */
  blocks(tally: TextTally): Generator<Buffer, void, undefined> {
    return decoded(this.#pieces, tally, WINDOW);
  }

  /** The first characters: those of at least `bytes` bytes, or all. */
  head(bytes: number): string {
    const taken: Buffer[] = [];
    let missing = bytes;
    for (const block of decoded(this.#pieces, new TextTally(), bytes)) {
      // There is more, and the last character may be in two.
      if (missing <= 0)
        return Buffer.concat(taken)
          .toString('utf8')
          .replace(/\ufffd+$/, '');
      taken.push(Buffer.from(block));
      missing -= block.byteLength;
    }
    return Buffer.concat(taken).toString('utf8');
  }

  /** All of it. */
  toString(): string {
    return JSON.parse(Buffer.concat([QUOTES, ...this.#pieces, QUOTES]).toString('utf8')) as string;
  }

  /** What it says as base64. */
  decodeBase64(): Buffer {
    const raw = this.#pieces.map((piece) => asBuffer(piece).toString('latin1')).join('');
    return Buffer.from(raw.includes('\\') ? this.toString() : raw, 'base64');
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
  json: readonly Uint8Array[],
  longerThan: number,
): { start: number; end: number }[] | undefined {
  const found: { start: number; end: number }[] = [];
  const pieces = json.map(asBuffer);
  let piece = 0;
  let base = 0;
  let at = 0;
  /** Leaves `at` behind the quote. The search of a Buffer is native, ten times as fast as a loop here. */
  const nextQuote = (): boolean => {
    for (let text = pieces[piece]; text; text = pieces[piece]) {
      const quote = text.indexOf(QUOTE, at);
      if (quote >= 0) {
        at = quote + 1;
        return true;
      }
      base += text.byteLength;
      piece += 1;
      at = 0;
    }
    return false;
  };
  while (nextQuote()) {
    const start = base + at;
    do {
      if (!nextQuote()) return undefined;
    } while (isEscaped(pieces, piece, at - 1));
    const end = base + at - 1;
    if (end - start > longerThan && afterSpace(pieces, piece, at) !== COLON) found.push({ start, end });
  }
  return found;
}

/** Whether an odd number of backslashes stands before it. Before a string there is none, so they may be counted that far. */
function isEscaped(pieces: readonly Uint8Array[], piece: number, at: number): boolean {
  let slashes = 0;
  let before = at - 1;
  for (let one = piece; one >= 0; one -= 1, before = (pieces[one]?.byteLength ?? 0) - 1) {
    const text = pieces[one] as Uint8Array;
    while (before >= 0 && text[before] === BACKSLASH) {
      before -= 1;
      slashes += 1;
    }
    if (before >= 0) break;
  }
  return slashes % 2 === 1;
}

function afterSpace(pieces: readonly Uint8Array[], piece: number, from: number): number | undefined {
  let at = from;
  for (const text of pieces.slice(piece)) {
    while (text[at] === 0x20 || text[at] === 0x0a || text[at] === 0x0d || text[at] === 0x09) at += 1;
    if (at < text.byteLength) return text[at];
    at = 0;
  }
  return undefined;
}

function* decoded(
  pieces: readonly Uint8Array[],
  tally: TextTally,
  most: number,
): Generator<Buffer, void, undefined> {
  let out: Buffer | undefined;
  for (const source of wholeEscapes(pieces)) {
    const end = source.byteLength;
    const window = { at: 0, to: 0 };
    while (window.at < end) {
      const stop = Math.min(end, window.at + most);
      const plain = source.subarray(window.at, stop);
      if (!plain.includes(BACKSLASH) && isAscii(plain)) {
        // As it stands; a line feed is always an escape.
        tally.chars += plain.length;
        tally.endsWithNewline = false;
        window.at = stop;
        yield plain;
        continue;
      }
      const room = Math.min(most, end) + SPARE;
      if (out === undefined || out.byteLength < room) out = Buffer.allocUnsafe(room);
      decodeWindow(source, window, { stop, last: end }, out, tally);
      tally.endsWithNewline = out[window.to - 1] === LINE_FEED;
      yield out.subarray(0, window.to);
    }
  }
}

/** The same bytes in pieces between which no escape is cut, and no pair of two that are one character. */
function* wholeEscapes(pieces: readonly Uint8Array[]): Generator<Buffer, void, undefined> {
  let cut: Buffer = Buffer.alloc(0);
  for (const [index, piece] of pieces.entries()) {
    const text = cut.byteLength === 0 ? asBuffer(piece) : Buffer.concat([cut, piece]);
    const end = index === pieces.length - 1 ? text.byteLength : beforeCutEscape(text);
    cut = text.subarray(end);
    if (end > 0) yield text.subarray(0, end);
  }
}

/** Where the escape begins that may go on behind the end, or the end. */
function beforeCutEscape(text: Buffer): number {
  let at = Math.max(0, text.byteLength - PAIR + 1);
  // Of several backslashes in a row the first begins an escape.
  while (at > 0 && text[at - 1] === BACKSLASH) at -= 1;
  while (at < text.byteLength) {
    if (text[at] !== BACKSLASH) {
      at += 1;
      continue;
    }
    const bytes = text[at + 1] === 0x75 ? PAIR / 2 : 2;
    const isHigh = bytes === PAIR / 2 && (hex(text, at + 2) & 0xfc00) === 0xd800;
    if (at + (isHigh ? PAIR : bytes) > text.byteLength) return at;
    at += bytes;
  }
  return text.byteLength;
}

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

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
