import { openDatabase, type Sqlite } from '../../lib/sqlite.js';

const migrations = [
  `CREATE TABLE pins (
     index_url TEXT NOT NULL,
     server TEXT NOT NULL,
     pin TEXT NOT NULL,
     pinned_at INTEGER NOT NULL,
     PRIMARY KEY (index_url, server)
   )`,
  `CREATE TABLE definition_pins (
     source TEXT NOT NULL,
     server TEXT NOT NULL,
     approved TEXT,
     proposed TEXT,
     at INTEGER NOT NULL,
     PRIMARY KEY (source, server)
   );
   INSERT INTO definition_pins (source, server, approved, at) SELECT index_url, server, pin, pinned_at FROM pins;
   DROP TABLE pins;
   CREATE TABLE tool_scopes (
     server TEXT NOT NULL,
     scope TEXT NOT NULL,
     first_at INTEGER NOT NULL,
     PRIMARY KEY (server, scope)
   );
   CREATE TABLE tool_pins (
     server TEXT NOT NULL,
     scope TEXT NOT NULL,
     tool TEXT NOT NULL,
     approved TEXT,
     approved_hash TEXT,
     offered TEXT,
     offered_hash TEXT,
     at INTEGER NOT NULL,
     PRIMARY KEY (server, scope, tool)
   )`,
] as const;

/**
 * What a person agreed to, in a file of its own: the catalog is learnt again when it is damaged, and that must not make
 * something changed pass for something new. Several engines and commands of one home use it at once.
 */
export class PinDb {
  readonly #path: string;
  readonly #now: () => number;
  #opened: Sqlite | undefined;
  #version: number | undefined;

  constructor(path: string, now: () => number = Date.now) {
    this.#path = path;
    this.#now = now;
  }

  get path(): string {
    return this.#path;
  }

  /** Ms since the epoch. */
  now(): number {
    return this.#now();
  }

  /** Opened when it is needed, and tried again after it could not be. @throws RuntimeError STORAGE_FAILED */
  get sql(): Sqlite {
    if (!this.#opened) {
      this.#opened = openDatabase(this.#path, 'pins', migrations);
      // Before anything is read of it: what is approved from now on must not be missed.
      this.#version = versionOf(this.#opened);
    }
    return this.#opened;
  }

  /** Whether another process wrote to it since this was asked last, or since it was opened. @throws RuntimeError STORAGE_FAILED */
  changedElsewhere(): boolean {
    const { sql } = this;
    const before = this.#version;
    this.#version = versionOf(sql);
    return before !== this.#version;
  }

  close(): void {
    this.#opened?.close();
    this.#opened = undefined;
  }
}

/** Another number after each write of another connection. */
const versionOf = (sql: Sqlite): number | undefined =>
  sql.get<{ data_version: number }>('PRAGMA data_version')?.data_version;
