import { isUtf8 } from 'node:buffer';

/** Bytes as one piece or as several one after the other: to join what is long costs as much as to read it. */
export type Bytes = Buffer | readonly Buffer[];

const isOne = (bytes: Bytes): bytes is Buffer => Buffer.isBuffer(bytes);

export function lengthOf(bytes: Bytes): number {
  if (isOne(bytes)) return bytes.byteLength;
  return bytes.reduce((sum, piece) => sum + piece.byteLength, 0);
}

/** From `start` up to but not including `end`, as it lies in memory: nothing is copied. */
export function cutOut<T extends Uint8Array>(pieces: readonly T[], start: number, end: number): T[] {
  const found: T[] = [];
  let base = 0;
  for (const piece of pieces) {
    const from = Math.max(0, start - base);
    const to = Math.min(piece.byteLength, end - base);
    if (from < to) found.push(piece.subarray(from, to) as T);
    base += piece.byteLength;
    if (base >= end) break;
  }
  return found;
}

/** The same as one: a view where it lies in one piece, else a copy. */
export function oneOf(bytes: Bytes, start = 0, end = lengthOf(bytes)): Buffer {
  if (isOne(bytes)) return bytes.subarray(start, end);
  const [first, ...more] = cutOut(bytes, start, end);
  if (first === undefined) return Buffer.alloc(0);
  return more.length === 0 ? first : Buffer.concat([first, ...more]);
}

/** Whether all of it together is valid UTF-8; a character may begin in one piece and end in another. */
export function areUtf8(bytes: Bytes): boolean {
  if (isOne(bytes)) return isUtf8(bytes);
  let torn = Buffer.alloc(0);
  for (const piece of bytes) {
    const missing = torn.byteLength === 0 ? 0 : charBytes(torn[0]) - torn.byteLength;
    const begins = Math.min(missing, piece.byteLength);
    if (begins > 0) torn = Buffer.concat([torn, piece.subarray(0, begins)]);
    if (begins < missing) continue;
    if (!isUtf8(torn)) return false;
    const ends = piece.byteLength - unfinished(piece, begins);
    if (!isUtf8(piece.subarray(begins, ends))) return false;
    torn = Buffer.from(piece.subarray(ends));
  }
  return torn.byteLength === 0;
}

/** How many bytes at the end are the beginning of a character. What is wrong counts as none. */
function unfinished(piece: Buffer, from: number): number {
  for (let back = 1; back <= 3 && piece.byteLength - back >= from; back += 1) {
    const byte = piece[piece.byteLength - back] as number;
    if ((byte & 0xc0) !== 0x80) return charBytes(byte) > back ? back : 0;
  }
  return 0;
}

/** By its first byte. */
function charBytes(first = 0): number {
  if (first < 0xc0) return 1;
  return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}
