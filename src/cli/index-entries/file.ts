import { mkdir, readFile, realpath, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { RuntimeError } from '../../core/errors.js';
import { writeFileAtomic } from '../../lib/atomic-file.js';
import { sha256 } from '../../lib/hash.js';

interface UndoNote {
  /** The text before the change; null when there was no file. */
  readonly before: string | null;
  /** SHA-256 of what was written. */
  readonly wrote: string;
}

/** The text of the servers file; empty when there is none. */
export async function readText(path: string): Promise<string> {
  return (await read(path)) ?? '';
}

/** Writes the servers file at once or not at all, and keeps what was there: as `.bak`, and for `undo`. */
export async function writeText(path: string, text: string): Promise<void> {
  // A link to a file elsewhere (dotfiles) stays one.
  const target = await realpath(path).catch(() => path);
  await mkdir(dirname(target), { recursive: true, mode: 0o700 });
  const before = await read(target);
  if (before !== undefined) await writeFileAtomic(`${target}.bak`, before);
  const note: UndoNote = { before: before ?? null, wrote: sha256(text) };
  await writeFileAtomic(`${target}.undo`, JSON.stringify(note));
  await writeFileAtomic(target, text);
}

/**
 * Puts back what the last change replaced.
 * @throws RuntimeError CONFIG_INVALID when there is nothing to undo, or the file was edited since.
 */
export async function undo(path: string): Promise<void> {
  const target = await realpath(path).catch(() => path);
  const note = await readNote(`${target}.undo`);
  if (!note) throw new RuntimeError('CONFIG_INVALID', `There is nothing to undo for ${path}.`);
  if (sha256((await read(target)) ?? '') !== note.wrote) {
    throw new RuntimeError('CONFIG_INVALID', `${path} was edited since, so it is not put back.`, {
      hint: `What was there before stands in ${target}.bak.`,
    });
  }
  if (note.before === null) await rm(target, { force: true });
  else await writeFileAtomic(target, note.before);
  await rm(`${target}.undo`, { force: true });
}

async function readNote(path: string): Promise<UndoNote | undefined> {
  const text = await read(path);
  try {
    return text === undefined ? undefined : (JSON.parse(text) as UndoNote);
  } catch {
    return undefined;
  }
}

async function read(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new RuntimeError(
      'CONFIG_INVALID',
      `${path} cannot be read: ${error instanceof Error ? error.message : String(error)}.`,
      { cause: error },
    );
  }
}
