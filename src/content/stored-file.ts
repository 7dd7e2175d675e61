import { createHash } from 'node:crypto';
import { type BigIntStats, constants } from 'node:fs';
import { type FileHandle, lstat, open } from 'node:fs/promises';
import { type ByteSource, blocks } from './bytes.js';
import { damaged, storageFailed } from './storage-error.js';

/** What the metadata says that a file must be. */
interface FileFacts {
  readonly id: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** A file whose content was compared with its checksum. Dispose it: it holds a descriptor. */
export interface StoredFile extends ByteSource, AsyncDisposable {}

// Windows has neither flag. Without O_NONBLOCK, opening a FIFO would wait for a writer for ever.
const READ_FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/** Opens stored files and remembers which ones were verified, as long as their inode does not change. */
export class FileVerifier {
  readonly #verified = new Map<string, string>();

  /**
   * @throws RuntimeError STORAGE_FAILED when it is no regular file, has another size or another checksum.
   * @returns undefined when there is no such file.
   */
  async open(path: string, facts: FileFacts): Promise<StoredFile | undefined> {
    let file: FileHandle;
    try {
      file = await open(path, READ_FLAGS);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === 'ENOENT') return undefined;
      if (code === 'ELOOP') throw damaged(facts.id, 'a symbolic link stands in its place');
      if (code === 'ENXIO' || code === 'EISDIR') throw damaged(facts.id, 'it is not a regular file');
      throw storageFailed(`Reading the content ${facts.id}`, error);
    }
    try {
      const source = new OpenFile(file, facts.bytes);
      await this.#verify(file, source, facts);
      return source;
    } catch (error) {
      await file.close().catch(() => {});
      throw storageFailed(`Reading the content ${facts.id}`, error);
    }
  }

  /** Takes a file that this process has just written for verified. */
  async trust(path: string, id: string): Promise<void> {
    this.#verified.set(id, versionOf(await lstat(path, { bigint: true })));
  }

  forget(id: string): void {
    this.#verified.delete(id);
  }

  async #verify(file: FileHandle, source: ByteSource, facts: FileFacts): Promise<void> {
    const found = await file.stat({ bigint: true });
    if (!found.isFile()) throw damaged(facts.id, 'it is not a regular file');
    if (found.size !== BigInt(facts.bytes)) {
      throw damaged(facts.id, `it has ${found.size} bytes instead of ${facts.bytes}`);
    }
    // Every write moves ctime, which a program cannot set back: an unchanged inode needs no second reading.
    const version = versionOf(found);
    if (this.#verified.get(facts.id) === version) return;
    const hash = createHash('sha256');
    for await (const block of blocks(source)) hash.update(block);
    if (hash.digest('hex') !== facts.sha256) throw damaged(facts.id, 'its checksum is wrong');
    this.#verified.set(facts.id, version);
  }
}

const versionOf = (facts: BigIntStats) => `${facts.dev}:${facts.ino}:${facts.mtimeNs}:${facts.ctimeNs}`;

class OpenFile implements StoredFile {
  readonly size: number;
  readonly #file: FileHandle;

  constructor(file: FileHandle, size: number) {
    this.#file = file;
    this.size = size;
  }

  async read(from: number, to: number): Promise<Buffer> {
    const wanted = Math.max(0, Math.min(to, this.size) - from);
    const buffer = Buffer.allocUnsafe(wanted);
    let filled = 0;
    while (filled < wanted) {
      const { bytesRead } = await this.#file.read(buffer, filled, wanted - filled, from + filled);
      if (bytesRead === 0) throw new Error('the file became shorter while it was read');
      filled += bytesRead;
    }
    return buffer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }
}
