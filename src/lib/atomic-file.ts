import { randomUUID } from 'node:crypto';
import { type FileHandle, link, open, rename, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';

export interface AtomicWriteOptions {
  /** Refuse to replace an existing file. */
  readonly exclusive?: boolean;
  /** Wait until the disk has it. Default true. */
  readonly sync?: boolean;
}

/** The name under which unfinished files stand until they are whole; what is found under it at start is a leftover. */
export const PARTIAL_SUFFIX = '.partial';

const GATHERED_BYTES = 512 * 1_024;

/**
 * Writes a file so that a reader sees all of it or nothing, mode 0600: a partial file beside it, fsync, rename.
 * Throws what the file system says; the partial file is removed then.
 */
export async function writeFileAtomic(
  path: string,
  data: Uint8Array | string | AsyncIterable<Uint8Array>,
  options: AtomicWriteOptions = {},
): Promise<void> {
  const partial = join(dirname(path), `.${randomUUID()}${PARTIAL_SUFFIX}`);
  const file = await open(partial, 'wx', 0o600);
  try {
    try {
      await writeAll(file, data);
      if (options.sync !== false) await file.sync();
    } finally {
      await file.close();
    }
    if (options.exclusive) {
      // link() fails when the name exists, where rename() would replace it.
      await link(partial, path);
      await unlink(partial);
    } else await rename(partial, path);
    if (options.sync !== false) await syncDirectory(dirname(path));
  } catch (error) {
    await unlink(partial).catch(() => {});
    throw error;
  }
}

async function writeAll(
  file: FileHandle,
  data: Uint8Array | string | AsyncIterable<Uint8Array>,
): Promise<void> {
  if (typeof data === 'string' || data instanceof Uint8Array) return file.writeFile(data);
  // Each write is a round through the thread pool, dearer than a copy of what comes in pieces of 64 KiB.
  const gathered = Buffer.allocUnsafeSlow(GATHERED_BYTES);
  let used = 0;
  const flush = async () => {
    if (used > 0) await file.writeFile(gathered.subarray(0, used));
    used = 0;
  };
  for await (const piece of data) {
    if (used + piece.byteLength > GATHERED_BYTES) await flush();
    if (piece.byteLength > GATHERED_BYTES / 2) {
      await flush();
      await file.writeFile(piece);
    } else {
      gathered.set(piece, used);
      used += piece.byteLength;
    }
  }
  await flush();
}

/** Without this the file is on the disk but its name may not be. Not every system can open a directory. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r').catch(() => undefined);
  if (!directory) return;
  await directory.sync().catch(() => {});
  await directory.close();
}
