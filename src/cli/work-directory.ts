import { join } from 'node:path';
import { sha256 } from '../lib/hash.js';
import { ensurePrivateDir } from '../lib/private-dir.js';

/**
 * Where a server works whose definition says nothing of it: a directory of its own, so that files it names without a
 * path are not among ours or those of others.
 */
export async function workDirectory(home: string, server: string): Promise<string> {
  const plain = server.replace(/[^\w.-]/g, '_').slice(0, 64);
  const isPlain = plain === server && !/^\.+$/.test(plain);
  const directory = join(home, 'work', isPlain ? plain : `${plain}-${sha256(server).slice(0, 12)}`);
  await ensurePrivateDir(join(home, 'work'));
  await ensurePrivateDir(directory);
  return directory;
}
