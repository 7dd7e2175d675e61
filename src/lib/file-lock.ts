import { sleep } from './abort.js';
import { lockFile } from './sqlite.js';

const POLL_MS = 25;

/**
 * Runs `work` while no other process does so under the same lock.
 * @param path of the lock's own file, which stays. Its directory must exist.
 * @throws what `work` throws, the reason of the signal when that comes before the lock, or STORAGE_FAILED.
 */
export async function withFileLock<T>(path: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  let release = lockFile(path);
  while (release === undefined) {
    await sleep(POLL_MS, { signal });
    release = lockFile(path);
  }
  try {
    return await work();
  } finally {
    release();
  }
}
