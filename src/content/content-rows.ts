import type { ContentRef } from '../core/content.js';
import { openDatabase, type Sqlite } from '../lib/sqlite.js';
import type { ChunkMap } from './chunks.js';

/** A reference with what only the store needs. */
export interface ContentRecord extends ContentRef {
  /** Newlines in a text; undefined for media. */
  readonly newlines: number | undefined;
  /** Not evicted before this time: a task whose result names it is still alive. */
  readonly pinnedUntil: number;
}

const migrations = [
  `CREATE TABLE content (
    id TEXT PRIMARY KEY, principal TEXT NOT NULL, kind TEXT NOT NULL, mime TEXT NOT NULL, bytes INTEGER NOT NULL,
    sha256 TEXT NOT NULL, newlines INTEGER, chunk_map TEXT, created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL,
    pinned_until INTEGER NOT NULL);
  CREATE INDEX content_owner ON content (principal, sha256);
  CREATE INDEX content_expiry ON content (expires_at);
  CREATE INDEX content_age ON content (created_at)`,
];

interface Row {
  id: string;
  principal: string;
  kind: ContentRef['kind'];
  mime: string;
  bytes: number;
  sha256: string;
  newlines: number | null;
  created_at: number;
  expires_at: number;
  pinned_until: number;
}

const COLUMNS = 'id, principal, kind, mime, bytes, sha256, newlines, created_at, expires_at, pinned_until';

/**
 * The metadata of what is kept. Every method but `flushed` is synchronous; the database throws what SQLite says. Before a
 * reference is given away, `flushed` must have resolved.
 */
export class ContentRows {
  readonly #db: Sqlite;

  constructor(path: string) {
    this.#db = openDatabase(path, 'content', migrations, { flush: 'asked' });
  }

  insert(record: ContentRecord): void {
    this.#db.run(
      `INSERT INTO content (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      record.id,
      record.principal,
      record.kind,
      record.mimeType,
      record.bytes,
      record.sha256,
      record.newlines ?? null,
      record.createdAt,
      record.expiresAt,
      record.pinnedUntil,
    );
  }

  find(principal: string, id: string, now: number): ContentRecord | undefined {
    return this.#one(
      `SELECT ${COLUMNS} FROM content WHERE id = ? AND principal = ? AND expires_at > ?`,
      id,
      principal,
      now,
    );
  }

  /** The same bytes of the same owner, of the same kind and type. */
  findSame(
    like: Pick<ContentRef, 'principal' | 'sha256' | 'kind' | 'mimeType'>,
    now: number,
  ): ContentRecord | undefined {
    return this.#one(
      `SELECT ${COLUMNS} FROM content WHERE principal = ? AND sha256 = ? AND kind = ? AND mime = ? AND expires_at > ?`,
      like.principal,
      like.sha256,
      like.kind,
      like.mimeType,
      now,
    );
  }

  prolong(id: string, expiresAt: number, pinnedUntil: number): void {
    const sql =
      'UPDATE content SET expires_at = MAX(expires_at, ?), pinned_until = MAX(pinned_until, ?) WHERE id = ?';
    this.#db.run(sql, expiresAt, pinnedUntil, id);
  }

  /** @returns false when there was none, so that bytes are given back once. */
  remove(id: string): boolean {
    return this.#db.run('DELETE FROM content WHERE id = ?', id) > 0;
  }

  /** As `remove`, where the database may be what failed: without its file a row is dropped by who reads it next. */
  forget(id: string): void {
    try {
      this.remove(id);
    } catch {
      // The first failure is what is told.
    }
  }

  expired(now: number): ContentRecord[] {
    return this.#many(`SELECT ${COLUMNS} FROM content WHERE expires_at <= ?`, now);
  }

  /** What may go to make room, oldest first. */
  evictable(now: number, createdBefore: number): ContentRecord[] {
    return this.#many(
      `SELECT ${COLUMNS} FROM content WHERE pinned_until <= ? AND created_at <= ? ORDER BY created_at, rowid LIMIT 100`,
      now,
      createdBefore,
    );
  }

  ids(): string[] {
    return this.#db.all<{ id: string }>('SELECT id FROM content').map(({ id }) => id);
  }

  totals(principal?: string): { items: number; bytes: number } {
    const sum = 'SELECT COUNT(*) AS items, COALESCE(SUM(bytes), 0) AS bytes FROM content';
    const row =
      principal === undefined
        ? this.#db.get<{ items: number; bytes: number }>(sum)
        : this.#db.get<{ items: number; bytes: number }>(`${sum} WHERE principal = ?`, principal);
    return row ?? { items: 0, bytes: 0 };
  }

  chunkMap(id: string): ChunkMap | undefined {
    const row = this.#db.get<{ chunk_map: string | null }>('SELECT chunk_map FROM content WHERE id = ?', id);
    return row?.chunk_map ? (JSON.parse(row.chunk_map) as ChunkMap) : undefined;
  }

  setChunkMap(id: string, map: ChunkMap): void {
    this.#db.run('UPDATE content SET chunk_map = ? WHERE id = ?', JSON.stringify(map), id);
  }

  flushed(): Promise<void> {
    return this.#db.flushed();
  }

  close(): void {
    this.#db.close();
  }

  #one(sql: string, ...values: (string | number)[]): ContentRecord | undefined {
    const row = this.#db.get<Row>(sql, ...values);
    return row && record(row);
  }

  #many(sql: string, ...values: (string | number)[]): ContentRecord[] {
    return this.#db.all<Row>(sql, ...values).map(record);
  }
}

const record = (row: Row): ContentRecord => ({
  id: row.id,
  principal: row.principal,
  kind: row.kind,
  mimeType: row.mime,
  bytes: row.bytes,
  sha256: row.sha256,
  newlines: row.newlines ?? undefined,
  createdAt: row.created_at,
  expiresAt: row.expires_at,
  pinnedUntil: row.pinned_until,
});
