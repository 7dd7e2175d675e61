import type { Sqlite } from '../../lib/sqlite.js';
import type { ServerDescription } from '../describe.js';

export const descriptionMigrations = [
  `CREATE TABLE descriptions (
     hash TEXT PRIMARY KEY,
     description TEXT NOT NULL,
     used_at INTEGER NOT NULL
   ) WITHOUT ROWID`,
] as const;

const DAY_MS = 24 * 3_600_000;
const FORGET_AFTER_MS = 90 * DAY_MS;

/** Descriptions that a model wrote, by the hash of what it was asked: the same question is paid for once. */
export class KeptDescriptions {
  readonly #db: Sqlite;
  readonly #now: () => number;

  constructor(db: Sqlite, now: () => number = Date.now) {
    this.#db = db;
    this.#now = now;
    db.run('DELETE FROM descriptions WHERE used_at < ?', now() - FORGET_AFTER_MS);
  }

  get(hash: string): ServerDescription | undefined {
    const row = this.#db.get<{ description: string; used_at: number }>(
      'SELECT description, used_at FROM descriptions WHERE hash = ?',
      hash,
    );
    if (!row) return undefined;
    if (row.used_at < this.#now() - DAY_MS)
      this.#db.run('UPDATE descriptions SET used_at = ? WHERE hash = ?', this.#now(), hash);
    return JSON.parse(row.description) as ServerDescription;
  }

  put(hash: string, description: ServerDescription): void {
    this.#db.run(
      'INSERT OR REPLACE INTO descriptions (hash, description, used_at) VALUES (?, ?, ?)',
      hash,
      JSON.stringify(description),
      this.#now(),
    );
  }
}
