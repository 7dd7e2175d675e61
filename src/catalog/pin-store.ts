import type { ServerDefinition } from '../core/server.js';
import { canonicalJson, sha256 } from '../lib/hash.js';
import { openDatabase, type Sqlite } from '../lib/sqlite.js';

/** What an index says is run or reached, as far as that decides which code gets to see what. No values of secrets. */
export interface Pin {
  readonly command?: string | undefined;
  readonly args?: readonly string[] | undefined;
  /** Names alone. */
  readonly env?: readonly string[] | undefined;
  readonly url?: string | undefined;
  /** Names alone. */
  readonly headers?: readonly string[] | undefined;
}

const migrations = [
  `CREATE TABLE pins (
     index_url TEXT NOT NULL,
     server TEXT NOT NULL,
     pin TEXT NOT NULL,
     pinned_at INTEGER NOT NULL,
     PRIMARY KEY (index_url, server)
   )`,
] as const;

export function pinOf(definition: ServerDefinition): Pin {
  if (definition.transport === 'stdio')
    return {
      command: definition.command,
      args: definition.args,
      env: Object.keys(definition.env).sort(),
    };
  return { url: definition.url, headers: Object.keys(definition.headers).sort() };
}

/** What a pin is called when someone accepts it: hex. */
export const pinHash = (pin: Pin): string => sha256(canonicalJson(pin));

/**
 * What servers of an index were when they were first used, or were last accepted. In a file of its own: the catalog is
 * learnt again when it is damaged, and that must not make a changed server pass for a new one.
 */
export class PinStore {
  readonly #path: string;
  readonly #now: () => number;
  #opened: Sqlite | undefined;

  constructor(path: string, now: () => number = Date.now) {
    this.#path = path;
    this.#now = now;
  }

  /** Opened when it is needed: a damaged file is trouble of the servers of the index alone. */
  get #db(): Sqlite {
    this.#opened ??= openDatabase(this.#path, 'pins', migrations);
    return this.#opened;
  }

  get(index: string, server: string): Pin | undefined {
    const row = this.#db.get<{ pin: string }>(
      'SELECT pin FROM pins WHERE index_url = ? AND server = ?',
      index,
      server,
    );
    return row && (JSON.parse(row.pin) as Pin);
  }

  set(index: string, server: string, pin: Pin): void {
    this.#db.run(
      'INSERT OR REPLACE INTO pins (index_url, server, pin, pinned_at) VALUES (?, ?, ?, ?)',
      index,
      server,
      JSON.stringify(pin),
      this.#now(),
    );
  }

  close(): void {
    this.#opened?.close();
  }
}
