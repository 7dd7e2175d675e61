import type { ListedTool, ServerIdentity } from '../core/server.js';
import { canonicalJson, sha256 } from '../lib/hash.js';
import type { Sqlite } from '../lib/sqlite.js';

/** What a server told of itself when it last ran. */
export interface Learnt {
  readonly definitionHash: string;
  readonly identity: ServerIdentity;
  readonly tools: readonly ListedTool[];
  /** Tools that were left out, and why. */
  readonly problems: readonly string[];
  /** SHA-256 over all tools: whether anything changed. */
  readonly hash: string;
  /** Ms since the epoch. */
  readonly learntAt: number;
}

export const learntMigrations = [
  `CREATE TABLE learnt (
     name TEXT NOT NULL,
     definition_hash TEXT NOT NULL,
     identity TEXT NOT NULL,
     tools TEXT NOT NULL,
     problems TEXT NOT NULL,
     hash TEXT NOT NULL,
     learnt_at INTEGER NOT NULL,
     seen_at INTEGER NOT NULL,
     PRIMARY KEY (name, definition_hash)
   )`,
] as const;

/** A definition that nobody has used for this long is forgotten; until then switching back to it is free. */
const FORGET_AFTER_MS = 30 * 24 * 3_600_000;

interface Row {
  readonly definition_hash: string;
  readonly identity: string;
  readonly tools: string;
  readonly problems: string;
  readonly hash: string;
  readonly learnt_at: number;
}

/** What was learnt, by name and definition. The rows are data of upstreams: read as such. */
export class LearntStore {
  readonly #db: Sqlite;
  readonly #now: () => number;

  constructor(db: Sqlite, now: () => number) {
    this.#db = db;
    this.#now = now;
    db.run('DELETE FROM learnt WHERE seen_at < ?', now() - FORGET_AFTER_MS);
  }

  /** What this very definition told; else what an earlier definition of the same name told last. */
  load(name: string, definitionHash: string): Learnt | undefined {
    const exact = this.#db.get<Row>(
      'SELECT * FROM learnt WHERE name = ? AND definition_hash = ?',
      name,
      definitionHash,
    );
    if (exact)
      this.#db.run(
        'UPDATE learnt SET seen_at = ? WHERE name = ? AND definition_hash = ?',
        this.#now(),
        name,
        definitionHash,
      );
    const row =
      exact ?? this.#db.get<Row>('SELECT * FROM learnt WHERE name = ? ORDER BY learnt_at DESC LIMIT 1', name);
    return row ? parseRow(row) : undefined;
  }

  save(
    name: string,
    definitionHash: string,
    told: { identity: ServerIdentity; tools: readonly ListedTool[]; problems: readonly string[] },
  ): Learnt {
    const now = this.#now();
    const hash = sha256(canonicalJson({ identity: told.identity, tools: told.tools }));
    this.#db.run(
      'INSERT OR REPLACE INTO learnt (name, definition_hash, identity, tools, problems, hash, learnt_at, seen_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
      name,
      definitionHash,
      JSON.stringify(told.identity),
      JSON.stringify(told.tools),
      JSON.stringify(told.problems),
      hash,
      now,
      now,
    );
    return { definitionHash, ...told, hash, learntAt: now };
  }
}

/** A row that cannot be read counts as not there: it is learnt again. */
function parseRow(row: Row): Learnt | undefined {
  try {
    return {
      definitionHash: row.definition_hash,
      identity: JSON.parse(row.identity) as ServerIdentity,
      tools: JSON.parse(row.tools) as ListedTool[],
      problems: JSON.parse(row.problems) as string[],
      hash: row.hash,
      learntAt: row.learnt_at,
    };
  } catch {
    return undefined;
  }
}
