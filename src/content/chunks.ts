import { setImmediate } from 'node:timers/promises';
import { type ByteSource, codePointStart } from './bytes.js';
import { takeManyTokens } from './tokens.js';

/**
 * Where the chunks of a text begin. The first ones are filled by counting tokens and listed; from `from` on they
 * have a stride in bytes that is safe without counting, because a token is at least one byte. So the number of
 * chunks of a text of any size is known after looking at its first part only, and every chunk can be found alone.
 */
export interface ChunkMap {
  readonly size: number;
  readonly starts: readonly number[];
  readonly from: number;
  readonly stride: number;
  /** A boundary lies at most so many bytes before its multiple of the stride, where it cuts best. */
  readonly lookBack: number;
}

/** So many chunks are counted: some 50 ms of work for text, and more than a model will page through. */
const COUNTED_CHUNKS = 16;
/** A chunk is never longer than this many bytes for each token it may have. */
const MAX_BYTES_PER_TOKEN = 6;

/** @param limit tokens that no chunk exceeds, at least 16. */
export async function mapChunks(source: ByteSource, limit: number): Promise<ChunkMap> {
  const { size } = source;
  const lookBack = Math.max(3, Math.floor(limit / 9));
  const stride = limit - lookBack;
  const starts: number[] = [];
  let from = 0;
  if (size <= limit) return { size, starts: [0], from: size, stride, lookBack };
  while (from < size && starts.length < COUNTED_CHUNKS) {
    starts.push(from);
    if (size - from <= limit) {
      from = size;
      break;
    }
    const raw = await source.read(from, Math.min(size, from + limit * MAX_BYTES_PER_TOKEN));
    const isLast = from + raw.length === size;
    const whole = isLast ? raw.length : codePointStart(raw, raw.length - 1) || raw.length;
    const text = raw.toString('utf8', 0, whole);
    const { end } = await takeManyTokens(text, 0, limit);
    if (end === text.length && isLast) from = size;
    else {
      const bytes = Math.min(Buffer.byteLength(text.slice(0, end)), raw.length);
      const cut = Math.max(bytes, Math.min(limit, raw.length));
      from += niceCut(raw, cut, cut - lookBack);
    }
    // Counting a dense text takes up to 10 ms a chunk: others get their turn.
    await setImmediate();
  }
  return { size, starts, from, stride, lookBack };
}

export function chunkTotal(map: ChunkMap): number {
  return map.starts.length + Math.ceil((map.size - map.from) / map.stride);
}

/** The bytes of chunk `index` (from 0, less than the total). */
export async function chunkRange(
  source: ByteSource,
  map: ChunkMap,
  index: number,
): Promise<{ start: number; end: number }> {
  return { start: await chunkStart(source, map, index), end: await chunkStart(source, map, index + 1) };
}

/** Which chunk a byte stands in. */
export async function chunkAt(source: ByteSource, map: ChunkMap, byte: number): Promise<number> {
  let index =
    byte < map.from
      ? map.starts.findLastIndex((start) => start <= byte)
      : Math.min(chunkTotal(map) - 1, map.starts.length + Math.floor((byte - map.from) / map.stride));
  // A boundary lies at or a little before its stride, so the byte may be in the next chunk.
  while (index + 1 < chunkTotal(map) && (await chunkStart(source, map, index + 1)) <= byte) index += 1;
  return index;
}

async function chunkStart(source: ByteSource, map: ChunkMap, index: number): Promise<number> {
  const counted = map.starts[index];
  if (counted !== undefined) return counted;
  const target = map.from + (index - map.starts.length) * map.stride;
  if (target >= map.size) return map.size;
  if (target === map.from) return target;
  const window = await source.read(target - map.lookBack, target + 1);
  return target - map.lookBack + niceCut(window, map.lookBack, 1);
}

/** The best place to cut from `least` to `at`: after a newline, else after a space, else between two code points. */
function niceCut(bytes: Buffer, at: number, least: number): number {
  if (at >= bytes.length) return bytes.length;
  const newline = bytes.lastIndexOf(10, at - 1);
  if (newline >= least) return newline + 1;
  const space = bytes.lastIndexOf(32, at - 1);
  if (space >= least) return space + 1;
  return codePointStart(bytes, at);
}
