import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { writeFileAtomic } from './atomic-file.js';
import { KEY_BYTES } from './sealed-box.js';

/** Why a key cannot be used. `message` says it in a few words and without the key. */
export class KeyError extends Error {
  override readonly name = 'KeyError';
  readonly reason: 'missing' | 'exposed' | 'damaged';

  constructor(reason: KeyError['reason'], message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.reason = reason;
  }
}

/**
 * The key in a file of this user that nobody else can read: 32 bytes as they are.
 * @throws KeyError
 */
export async function readKeyFile(path: string): Promise<Buffer> {
  const file = await openKey(path);
  try {
    const facts = await file.stat();
    if (!facts.isFile()) throw new KeyError('damaged', `the key ${path} is no file`);
    const { uid } = userInfo();
    // Windows has neither owner nor mode bits that mean anything here.
    if (uid >= 0 && facts.uid !== uid)
      throw new KeyError('exposed', `the key ${path} belongs to another user`);
    if (uid >= 0 && (facts.mode & 0o077) !== 0)
      throw new KeyError('exposed', `the key ${path} can be read by other users (chmod 600 it)`);
    // One byte more than there may be is enough to see that there is more.
    const { buffer, bytesRead } = await file.read(Buffer.alloc(KEY_BYTES + 1), 0, KEY_BYTES + 1, 0);
    if (bytesRead !== KEY_BYTES || facts.size !== KEY_BYTES)
      throw new KeyError('damaged', `the key ${path} has ${facts.size} bytes instead of ${KEY_BYTES}`);
    return buffer.subarray(0, KEY_BYTES);
  } finally {
    await file.close();
  }
}

/** Writes a key that nobody has yet. @throws what the file system says: EEXIST when there is one. */
export async function writeKeyFile(path: string, key: Uint8Array): Promise<void> {
  await writeFileAtomic(path, key, { exclusive: true });
}

export const newKey = (): Buffer => randomBytes(KEY_BYTES);

async function openKey(path: string): Promise<FileHandle> {
  try {
    // Neither a link nor a pipe that somebody put there is followed or waited for.
    return await open(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new KeyError('missing', `the key ${path} is missing`, error);
    throw new KeyError('damaged', `the key ${path} cannot be read (${code ?? 'unknown'})`, error);
  }
}
