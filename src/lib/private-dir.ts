import { chmod, lstat, mkdir } from 'node:fs/promises';
import process from 'node:process';
import { RuntimeError } from '../core/errors.js';

/**
 * Makes sure that a directory exists, belongs to this user, is no link and is closed to others (0700).
 * @throws RuntimeError HOME_UNUSABLE with the reason.
 */
export async function ensurePrivateDir(path: string): Promise<void> {
  const refuse = (why: string, cause?: unknown) =>
    new RuntimeError('HOME_UNUSABLE', `The directory ${path} cannot be used: ${why}.`, {
      hint: 'Set MCP_RUNTIME_HOME to a directory that belongs to you and is writable.',
      cause,
    });
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    const facts = await lstat(path);
    if (facts.isSymbolicLink()) throw refuse('it is a symbolic link');
    if (!facts.isDirectory()) throw refuse('it is not a directory');
    // Not from the database of users, which takes milliseconds to ask. None on Windows.
    const uid = process.geteuid?.() ?? -1;
    if (uid >= 0 && facts.uid !== uid) throw refuse('it belongs to another user');
    // Windows has no mode bits that mean anything here.
    if (uid >= 0 && (facts.mode & 0o077) !== 0) await chmod(path, 0o700);
  } catch (error) {
    if (error instanceof RuntimeError) throw error;
    throw refuse(error instanceof Error ? error.message : String(error), error);
  }
}
