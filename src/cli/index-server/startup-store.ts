import { RuntimeError } from '../../core/errors.js';
import { openStartup, type SealedStartup, type Startup, sealStartup } from '../../http/index-api/seal.js';
import { decryptFernet, encryptFernet } from '../../lib/fernet.js';
import { openDatabase, type Sqlite } from '../../lib/sqlite.js';

const migrations = [
  `CREATE TABLE startups (
     name TEXT PRIMARY KEY,
     transport TEXT NOT NULL,
     timeout REAL NOT NULL,
     config TEXT NOT NULL,
     alpha REAL,
     added_at INTEGER NOT NULL
   );
   CREATE TABLE key_check (id INTEGER PRIMARY KEY CHECK (id = 1), token TEXT NOT NULL)`,
] as const;

/** Encrypted with the key when it is first used, so that another key is noticed before anything is done with it. */
const CHECK = 'mcp-runtime index';

interface Row {
  readonly name: string;
  readonly transport: SealedStartup['transport'];
  readonly timeout: number;
  readonly config: string;
}

/** A stored server: how it is started, or why that cannot be told. */
export interface StoredStartup {
  readonly name: string;
  readonly sealed: SealedStartup;
  readonly startup: Startup | undefined;
}

/** The startup configurations of an index, encrypted where there is a key. */
export class StartupStore {
  readonly #db: Sqlite;
  readonly #key: string | undefined;

  /**
   * @param key `ENCRYPTION_KEY`. What was stored without one is encrypted now.
   * @throws RuntimeError CONFIG_INVALID when the stored configurations were encrypted with another key, or the key is
   * missing or none; STORAGE_FAILED.
   */
  constructor(path: string, key: string | undefined) {
    this.#db = openDatabase(path, 'startups', migrations);
    this.#key = key;
    try {
      this.#checkKey();
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  /** In the order in which they were added. */
  all(): StoredStartup[] {
    return this.#db
      .all<Row>('SELECT name, transport, timeout, config FROM startups ORDER BY added_at, rowid')
      .map(({ name, ...sealed }) => ({ name, sealed, startup: this.#open(sealed) }));
  }

  put(name: string, sealed: SealedStartup, alpha: number | undefined): void {
    this.#db.run(
      `INSERT INTO startups (name, transport, timeout, config, alpha, added_at) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (name) DO UPDATE SET transport = excluded.transport, timeout = excluded.timeout,
         config = excluded.config, alpha = COALESCE(excluded.alpha, alpha)`,
      name,
      sealed.transport,
      sealed.timeout,
      sealed.config,
      alpha ?? null,
      Date.now(),
    );
  }

  remove(name: string): void {
    this.#db.run('DELETE FROM startups WHERE name = ?', name);
  }

  close(): void {
    this.#db.close();
  }

  #open(sealed: SealedStartup): Startup | undefined {
    try {
      return openStartup(sealed, this.#key);
    } catch {
      // Changed by somebody without the key, or damaged: it is never run, and nothing of it is shown.
      return undefined;
    }
  }

  #checkKey(): void {
    const token = this.#db.get<{ token: string }>('SELECT token FROM key_check WHERE id = 1')?.token;
    if (token === undefined) {
      if (this.#key !== undefined) this.#encryptAll(this.#key);
      return;
    }
    const refuse = (why: string) =>
      new RuntimeError('CONFIG_INVALID', `The stored startup configurations cannot be read: ${why}.`, {
        hint: 'Set ENCRYPTION_KEY to the key that the index was filled with.',
      });
    if (this.#key === undefined) throw refuse('ENCRYPTION_KEY is not set');
    try {
      decryptFernet(token, this.#key);
    } catch {
      throw refuse('ENCRYPTION_KEY is another key than the one they were encrypted with');
    }
  }

  #encryptAll(key: string): void {
    const plain = this.all();
    const sealed = plain.flatMap(({ name, startup }) =>
      startup ? [{ name, sealed: sealStartup(startup, key) }] : [],
    );
    // Also where nothing is stored yet: says at once when the key is none.
    sealStartup({ transport: 'http', url: '-', headers: {}, timeout: 1 }, key);
    this.#db.transaction(() => {
      for (const one of sealed) this.put(one.name, one.sealed, undefined);
      this.#db.run('INSERT INTO key_check (id, token) VALUES (1, ?)', encryptFernet(CHECK, key));
    });
    // What stood there in plain text is otherwise still in free pages and in the log.
    if (sealed.length === 0) return;
    this.#db.run('VACUUM');
    this.#db.get('PRAGMA wal_checkpoint(TRUNCATE)');
  }
}
