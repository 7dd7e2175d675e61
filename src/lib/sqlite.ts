import { chmodSync } from 'node:fs';
import { open } from 'node:fs/promises';
import LibsqlDatabase from 'libsql';
import { RuntimeError } from '../core/errors.js';

/** What may be bound to a `?` and what comes out of a column. */
export type SqlValue = string | number | bigint | null | Uint8Array;

/** The part of SQLite that the runtime uses; everything is synchronous, a durable write takes some 0.3 ms. */
export interface Sqlite {
  /** Runs one statement. @returns how many rows it changed. */
  run(sql: string, ...values: SqlValue[]): number;
  get<Row>(sql: string, ...values: SqlValue[]): Row | undefined;
  all<Row>(sql: string, ...values: SqlValue[]): Row[];
  /** All of `work` or nothing of it. */
  transaction<T>(work: () => T): T;
  /** Resolves when what was written survives a power cut, rejects as `fs` does. Needed with `flush: 'asked'` only. */
  flushed(): Promise<void>;
  close(): void;
}

interface DatabaseOptions {
  /**
   * `each`, the default: a transaction returns when the disk has it, and the event loop waits for that. `asked`: who
   * says that something is kept awaits `flushed` before, on a thread of the pool. A disk that is busy with files of
   * megabytes takes some milliseconds for it.
   */
  readonly flush?: 'each' | 'asked';
}

/** One step from a schema version to the next: SQL that is run once, in order, in one transaction. */
export type Migration = string;

/**
 * Opens (or makes) a database file, mode 0600, in WAL mode. The only module that knows the driver, so that
 * `node:sqlite` can take its place once Node 24 is the floor.
 *
 * `namespace` keeps the schema versions of independent owners of one file apart.
 * @throws RuntimeError STORAGE_FAILED when it cannot be opened, is no database, or was written by a newer version.
 */
export function openDatabase(
  path: string,
  namespace: string,
  migrations: readonly Migration[],
  { flush = 'each' }: DatabaseOptions = {},
): Sqlite {
  let db: LibsqlDatabase.Database | undefined;
  try {
    db = new LibsqlDatabase(path);
    if (path !== ':memory:') chmodSync(path, 0o600);
    // Before all else: of two that open a new file at once, one waits for the other.
    db.pragma('busy_timeout = 5000');
    const [mode] = db.pragma('journal_mode = WAL') as { journal_mode: string }[];
    // Where there can be no log (a file system without shared memory, a database in memory) each transaction is flushed.
    const isAsked = flush === 'asked' && mode?.journal_mode === 'wal';
    // FULL: what was said to be accepted survives a power cut; measured cost 0.3 ms per transaction. NORMAL is as
    // consistent, and the log of a transaction reaches the disk when it is flushed.
    db.pragma(`synchronous = ${isAsked ? 'NORMAL' : 'FULL'}`);
    const sqlite = wrap(db, isAsked ? `${path}-wal` : undefined);
    migrate(sqlite, path, namespace, migrations);
    return sqlite;
  } catch (error) {
    db?.close();
    if (error instanceof RuntimeError) throw error;
    throw new RuntimeError('STORAGE_FAILED', `The database ${path} cannot be opened: ${describe(error)}.`, {
      hint: 'Check that the directory is writable and the disk has space. A damaged file can be moved away; it is made anew.',
      cause: error,
    });
  }
}

/**
 * Takes the operating system's lock on a file, which is made if missing, mode 0600. SQLite is asked for it since Node
 * has no flock; it ends with the process, however that ends.
 * @returns how to let go of it; undefined when another process has it. Does not wait.
 * @throws RuntimeError STORAGE_FAILED when the file cannot be opened.
 */
export function lockFile(path: string): (() => void) | undefined {
  let db: LibsqlDatabase.Database | undefined;
  try {
    db = new LibsqlDatabase(path);
    chmodSync(path, 0o600);
    db.exec('PRAGMA busy_timeout = 0');
    // Neither tables nor WAL: the first to make those would be in the way of who comes at the same moment.
    db.exec('BEGIN EXCLUSIVE');
    const held = db;
    return () => {
      // Said first: a driver may keep a closed file open for a while.
      held.exec('ROLLBACK');
      held.close();
    };
  } catch (error) {
    db?.close();
    if (String((error as { code?: unknown }).code).startsWith('SQLITE_BUSY')) return undefined;
    throw new RuntimeError('STORAGE_FAILED', `The lock ${path} cannot be taken: ${describe(error)}.`, {
      hint: 'Check that the directory is writable and the disk has space.',
      cause: error,
    });
  }
}

function wrap(db: LibsqlDatabase.Database, log: string | undefined): Sqlite {
  // Statements are prepared once: preparing costs more than running a small one.
  const prepared = new Map<string, LibsqlDatabase.Statement>();
  const statement = (sql: string) => {
    let found = prepared.get(sql);
    if (!found) {
      found = db.prepare(sql);
      prepared.set(sql, found);
    }
    return found;
  };
  let closed = false;
  return {
    run: (sql, ...values) => statement(sql).run(...values).changes,
    get: <Row>(sql: string, ...values: SqlValue[]) => clean<Row>(statement(sql).get(...values)),
    all: <Row>(sql: string, ...values: SqlValue[]) => statement(sql).all(...values) as Row[],
    transaction: (work) => db.transaction(work).immediate(),
    flushed: async () => {
      if (log !== undefined) await flushFile(log);
    },
    close: () => {
      if (closed) return;
      closed = true;
      prepared.clear();
      db.close();
    },
  };
}

/** What the kernel holds of a file belongs to the file, whoever wrote it. */
async function flushFile(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.datasync();
  } finally {
    await file.close();
  }
}

/** libsql's get() adds a `_metadata` field to the row. */
function clean<Row>(row: unknown): Row | undefined {
  if (row === undefined || row === null) return undefined;
  const { _metadata, ...columns } = row as Record<string, unknown>;
  return columns as Row;
}

function migrate(db: Sqlite, path: string, namespace: string, migrations: readonly Migration[]): void {
  db.run('CREATE TABLE IF NOT EXISTS schema_versions (namespace TEXT PRIMARY KEY, version INTEGER NOT NULL)');
  const read = () =>
    db.get<{ version: number }>('SELECT version FROM schema_versions WHERE namespace = ?', namespace)
      ?.version ?? 0;
  if (read() === migrations.length) return;
  db.transaction(() => {
    const version = read();
    if (version > migrations.length) {
      throw new RuntimeError(
        'STORAGE_FAILED',
        `${path} was written by a newer version of mcp-runtime (${namespace} ${version}, this one knows ${migrations.length}).`,
        { hint: 'Update mcp-runtime, or use another MCP_RUNTIME_HOME.', data: { reason: 'newer' } },
      );
    }
    for (const step of migrations.slice(version)) for (const sql of split(step)) db.run(sql);
    db.run(
      'INSERT OR REPLACE INTO schema_versions (namespace, version) VALUES (?, ?)',
      namespace,
      migrations.length,
    );
  });
}

/** Migrations hold no triggers and no semicolons in strings, so a plain split serves. */
const split = (sql: string): string[] =>
  sql
    .split(';')
    .map((part) => part.trim())
    .filter((part) => part !== '');

const describe = (error: unknown) => (error instanceof Error ? error.message : String(error));
