import type { ServerDefinition } from '../../core/server.js';
import { canonicalJson, sha256 } from '../../lib/hash.js';
import type { PinDb } from './pin-db.js';

/** What is run or reached, as far as that decides which code gets to see what. No values of secrets. */
export interface Pin {
  readonly command?: string | undefined;
  readonly args?: readonly string[] | undefined;
  readonly cwd?: string | undefined;
  /** Names alone. */
  readonly env?: readonly string[] | undefined;
  readonly url?: string | undefined;
  /** Names alone. */
  readonly headers?: readonly string[] | undefined;
}

export function pinOf(definition: ServerDefinition): Pin {
  if (definition.transport === 'stdio')
    return {
      command: definition.command,
      args: definition.args,
      ...(definition.cwd === undefined ? {} : { cwd: definition.cwd }),
      env: Object.keys(definition.env).sort(),
    };
  return { url: definition.url, headers: Object.keys(definition.headers).sort() };
}

/** What a pin is called when someone accepts it: hex. */
export const pinHash = (pin: Pin): string => sha256(canonicalJson(pin));

/** What is known of the start of one server that somebody else named. */
export interface DefinitionPin {
  /** The index as it may be shown, or `added` for what came by a request. */
  readonly source: string;
  readonly server: string;
  /** Absent: nobody agreed, or the agreement was taken back. */
  readonly approved?: Pin | undefined;
  /** What it was to be when it was refused last. */
  readonly proposed?: Pin | undefined;
}

interface Row {
  readonly source: string;
  readonly server: string;
  readonly approved: string | null;
  readonly proposed: string | null;
}

/** What servers of an index were when they were first used, or were last accepted, and what waits to be looked at. */
export class DefinitionPins {
  readonly #db: PinDb;

  constructor(db: PinDb) {
    this.#db = db;
  }

  /** Undefined: it was never used, and nobody was asked. @throws RuntimeError STORAGE_FAILED */
  get(source: string, server: string): DefinitionPin | undefined {
    const row = this.#db.sql.get<Row>(
      'SELECT * FROM definition_pins WHERE source = ? AND server = ?',
      source,
      server,
    );
    return row && pinRow(row);
  }

  /** Those that wait for a person. */
  waiting(): DefinitionPin[] {
    return this.#db.sql
      .all<Row>('SELECT * FROM definition_pins WHERE proposed IS NOT NULL ORDER BY server, source')
      .map(pinRow);
  }

  all(server: string): DefinitionPin[] {
    return this.#db.sql
      .all<Row>('SELECT * FROM definition_pins WHERE server = ? ORDER BY source', server)
      .map(pinRow);
  }

  approve(source: string, server: string, pin: Pin): void {
    this.#put({ source, server, approved: pin });
  }

  /** Agrees to the first use, unless another engine of the home was faster. @returns what is agreed to from now on. */
  first(source: string, server: string, pin: Pin): DefinitionPin {
    this.#db.sql.run(
      'INSERT OR IGNORE INTO definition_pins (source, server, approved, at) VALUES (?, ?, ?, ?)',
      source,
      server,
      JSON.stringify(pin),
      this.#db.now(),
    );
    return this.get(source, server) ?? { source, server };
  }

  /** Keeps what was refused, so that a person can look at it. What is approved stays. */
  propose(source: string, server: string, proposed: Pin): void {
    const before = this.get(source, server);
    if (before?.proposed && pinHash(before.proposed) === pinHash(proposed)) return;
    this.#put({ source, server, approved: before?.approved, proposed });
  }

  /** From now on it is not started until it is approved. @returns whether there was anything to take back. */
  revoke(source: string, server: string): boolean {
    const before = this.get(source, server);
    if (!before?.approved) return false;
    this.#put({ source, server, proposed: before.proposed ?? before.approved });
    return true;
  }

  #put({ source, server, approved, proposed }: DefinitionPin): void {
    this.#db.sql.run(
      'INSERT OR REPLACE INTO definition_pins (source, server, approved, proposed, at) VALUES (?, ?, ?, ?, ?)',
      source,
      server,
      approved ? JSON.stringify(approved) : null,
      proposed ? JSON.stringify(proposed) : null,
      this.#db.now(),
    );
  }
}

const pinRow = ({ source, server, approved, proposed }: Row): DefinitionPin => ({
  source,
  server,
  approved: approved === null ? undefined : (JSON.parse(approved) as Pin),
  proposed: proposed === null ? undefined : (JSON.parse(proposed) as Pin),
});
