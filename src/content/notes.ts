import { openDatabase, type Sqlite } from '../lib/sqlite.js';
import type { DescriptionStore } from './vision.js';

const migrations = [
  `CREATE TABLE descriptions (
    sha256 TEXT NOT NULL, model TEXT NOT NULL, text TEXT NOT NULL, created_at INTEGER NOT NULL,
    PRIMARY KEY (sha256, model)) WITHOUT ROWID;
  CREATE TABLE links (
    principal TEXT NOT NULL, server TEXT NOT NULL, uri TEXT NOT NULL, expires_at INTEGER NOT NULL,
    PRIMARY KEY (principal, server, uri)) WITHOUT ROWID;
  CREATE INDEX links_expiry ON links (expires_at)`,
];

/** A result that names more is cut: nobody reads so many. */
const MAX_LINKS = 1_000;
const MAX_URI = 4_096;
const DESCRIPTIONS_KEPT_MS = 90 * 24 * 3_600_000;

/** What is remembered beside the content: what images show, and which resources a principal was told of. */
export class ContentNotes implements DescriptionStore {
  readonly #db: Sqlite;
  readonly #clock: () => number;

  constructor(path: string, clock: () => number) {
    this.#db = openDatabase(path, 'content-notes', migrations);
    this.#clock = clock;
  }

  description(sha256: string, model: string): string | undefined {
    const sql = 'SELECT text FROM descriptions WHERE sha256 = ? AND model = ?';
    return this.#db.get<{ text: string }>(sql, sha256, model)?.text;
  }

  setDescription(sha256: string, model: string, text: string): void {
    const sql = 'INSERT OR REPLACE INTO descriptions (sha256, model, text, created_at) VALUES (?, ?, ?, ?)';
    this.#db.run(sql, sha256, model, text, this.#clock());
  }

  addLinks(principal: string, server: string, uris: readonly string[], expiresAt: number): void {
    const sql = `INSERT INTO links (principal, server, uri, expires_at) VALUES (?, ?, ?, ?)
      ON CONFLICT DO UPDATE SET expires_at = MAX(expires_at, excluded.expires_at)`;
    const kept = uris.filter((uri) => uri.length <= MAX_URI).slice(0, MAX_LINKS);
    if (kept.length === 0) return;
    this.#db.transaction(() => {
      for (const uri of kept) this.#db.run(sql, principal, server, uri, expiresAt);
    });
  }

  hasLink(principal: string, server: string, uri: string): boolean {
    const sql =
      'SELECT 1 AS found FROM links WHERE principal = ? AND server = ? AND uri = ? AND expires_at > ?';
    return this.#db.get(sql, principal, server, uri, this.#clock()) !== undefined;
  }

  sweep(): void {
    const now = this.#clock();
    this.#db.run('DELETE FROM links WHERE expires_at <= ?', now);
    this.#db.run('DELETE FROM descriptions WHERE created_at <= ?', now - DESCRIPTIONS_KEPT_MS);
  }

  close(): void {
    this.#db.close();
  }
}
