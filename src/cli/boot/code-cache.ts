import { createHash, randomUUID } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

/**
 * What V8 made of the chunks in an earlier start: on Node 20 it is a third of the time that a start takes (adr 11).
 * V8 runs such data unchecked, a damaged byte can end the process, so it is kept with a hash, and only in a directory
 * that belongs to this user alone. Whoever can write there can change the servers file too.
 *
 * One file for each way to be started: hash, length of the list, list of [chunk, bytes], and the data one after the other.
 */
export class CodeCache {
  readonly #directory: string;
  readonly #path: string;

  /** @param key names everything the data depends on, apart from the chunks, whose names hold a hash. */
  constructor(home: string, key: string) {
    this.#directory = join(home, 'code-cache');
    this.#path = join(this.#directory, `${key}.bin`);
  }

  /** Data by chunk; empty when there is none that can be trusted. Never throws. */
  read(): ReadonlyMap<string, Buffer> {
    const found = new Map<string, Buffer>();
    try {
      const bytes = readOwn(this.#path);
      const body = bytes.subarray(HASH_BYTES);
      if (!hashOf(body).equals(bytes.subarray(0, HASH_BYTES))) return found;
      const listBytes = body.readUInt32LE(0);
      let at = LENGTH_BYTES + listBytes;
      for (const [name, length] of JSON.parse(body.toString('latin1', LENGTH_BYTES, at)) as Entry[]) {
        found.set(name, body.subarray(at, at + length));
        at += length;
      }
    } catch {
      found.clear();
    }
    return found;
  }

  /** Puts the data in the place of what was there, mode 0600. A home that cannot be written to has no cache. */
  write(chunks: readonly (readonly [string, Buffer])[]): void {
    const partial = join(this.#directory, `.${randomUUID()}.partial`);
    try {
      mkdirSync(this.#directory, { mode: 0o700 });
    } catch {
      // It is there, or there is no home yet: then writing says so.
    }
    try {
      const list = Buffer.from(JSON.stringify(chunks.map(([name, { length }]): Entry => [name, length])));
      const length = Buffer.alloc(LENGTH_BYTES);
      length.writeUInt32LE(list.length);
      const body = Buffer.concat([length, list, ...chunks.map(([, data]) => data)]);
      writeFileSync(partial, Buffer.concat([hashOf(body), body]), { mode: 0o600, flag: 'wx' });
      renameSync(partial, this.#path);
      this.#forgetOld();
    } catch {
      try {
        unlinkSync(partial);
      } catch {
        // It was never made.
      }
    }
  }

  /** Other versions leave theirs behind; the newest stay. */
  #forgetOld(): void {
    const files = readdirSync(this.#directory).map((name) => join(this.#directory, name));
    const byAge = files.map((path) => ({ path, at: statSync(path).mtimeMs })).sort((a, b) => b.at - a.at);
    for (const { path } of byAge.slice(MOST_FILES)) unlinkSync(path);
  }
}

type Entry = readonly [chunk: string, bytes: number];

const HASH_BYTES = 32;
const LENGTH_BYTES = 4;
/** Three ways to be started, for a few versions of Node and of this program. */
const MOST_FILES = 12;

const hashOf = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();

/** Reads a file that nobody else could have written. Throws otherwise. */
function readOwn(path: string): Buffer {
  const file = openSync(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0));
  try {
    const { uid, mode } = fstatSync(file);
    const self = process.getuid?.();
    if (self !== undefined && (uid !== self || (mode & 0o022) !== 0)) throw new Error('not only ours');
    return readFileSync(file);
  } finally {
    closeSync(file);
  }
}
