import type { Buffer } from 'node:buffer';

/** Something of known size of which any part can be read: a stored file, or a selection from one. */
export interface ByteSource {
  readonly size: number;
  /** The bytes from `from` up to `to`, which are cut to what there is. */
  read(from: number, to: number): Promise<Buffer>;
}

export function bufferSource(bytes: Buffer): ByteSource {
  return { size: bytes.length, read: async (from, to) => bytes.subarray(from, to) };
}

/** A part of a source as a source of its own. */
export function rangeSource(source: ByteSource, start: number, end: number): ByteSource {
  const size = Math.max(0, Math.min(end, source.size) - start);
  return { size, read: (from, to) => source.read(start + from, start + Math.min(to, size)) };
}

const BLOCK = 1024 * 1024;

/** The whole source in blocks of 1 MiB. */
export async function* blocks(source: ByteSource): AsyncGenerator<Buffer, void, undefined> {
  for (let at = 0; at < source.size; at += BLOCK)
    yield await source.read(at, Math.min(at + BLOCK, source.size));
}

/** The last place at or before `at` where a code point begins. */
export function codePointStart(bytes: Uint8Array, at: number): number {
  let place = at;
  while (place > 0 && at - place < 3 && ((bytes[place] ?? 0) & 0xc0) === 0x80) place -= 1;
  // Four continuation bytes in a row are no UTF-8, so there is nothing to keep whole.
  return ((bytes[place] ?? 0) & 0xc0) === 0x80 ? at : place;
}

export function countNewlines(bytes: Buffer): number {
  let lines = 0;
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) lines += 1;
  return lines;
}
