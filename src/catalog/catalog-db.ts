import { closeSync, openSync, readSync, renameSync, rmSync } from 'node:fs';
import { RuntimeError } from '../core/errors.js';
import { openDatabase, type Sqlite } from '../lib/sqlite.js';
import { learntMigrations } from './learnt-store.js';
import { descriptionMigrations } from './models/kept-descriptions.js';
import { vectorMigrations } from './models/kept-vectors.js';

/** New steps go to the end: a file remembers how many of them it has seen. */
const migrations = [...learntMigrations, ...vectorMigrations, ...descriptionMigrations];

/**
 * Opens the catalog's file. Everything in it can be learnt again, so a damaged one is put aside and begun anew;
 * `problem` says so.
 * @throws RuntimeError STORAGE_FAILED when it cannot be opened for another reason.
 */
export function openCatalogDb(path: string): { db: Sqlite; problem?: string } {
  try {
    return { db: checked(path) };
  } catch (error) {
    if (!isDamage(error)) throw error;
    renameSync(path, `${path}.damaged`);
    for (const beside of ['-wal', '-shm']) rmSync(`${path}${beside}`, { force: true });
    return {
      db: checked(path),
      problem: `The catalog was damaged and is learnt again; the old file is ${path}.damaged.`,
    };
  }
}

/** A file that is busy, newer, or closed to us is none of that: another engine may be at work with it. */
function isDamage(error: unknown): boolean {
  if (!(error instanceof RuntimeError)) return false;
  const code = (error.cause as { code?: unknown } | undefined)?.code;
  return error.data?.['reason'] === 'damaged' || code === 'SQLITE_CORRUPT' || code === 'SQLITE_NOTADB';
}

/** Damage shows at the first read of a page otherwise, which may be in the middle of a call. */
function checked(path: string): Sqlite {
  // Asked before the driver is: it keeps what it could not open as a database open until it is collected.
  if (!startsLikeDatabase(path))
    throw new RuntimeError('STORAGE_FAILED', `${path} is no database.`, { data: { reason: 'damaged' } });
  const db = openDatabase(path, 'catalog', migrations);
  try {
    const found = db.get<{ quick_check: string }>('PRAGMA quick_check(1)')?.quick_check;
    if (found !== 'ok') throw new Error(found ?? 'no answer');
    return db;
  } catch (cause) {
    db.close();
    throw new RuntimeError('STORAGE_FAILED', `The database ${path} is damaged.`, {
      data: { reason: 'damaged' },
      cause,
    });
  }
}

const MAGIC = 'SQLite format 3\0';

function startsLikeDatabase(path: string): boolean {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch {
    // Not there, or not for us: the driver says which.
    return true;
  }
  try {
    const head = Buffer.alloc(MAGIC.length);
    const read = readSync(file, head);
    return read === 0 || head.toString('latin1') === MAGIC;
  } finally {
    closeSync(file);
  }
}
