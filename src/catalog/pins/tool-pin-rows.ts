import type { ListedTool } from '../../core/server.js';
import type { PinDb } from './pin-db.js';
import { pinnedPart } from './tool-hash.js';

/** What is stored of the tools of one server, as far as deciding needs it: hashes by name. */
export interface PinState {
  /** Whether its tools were ever learnt under this definition. */
  readonly known: boolean;
  readonly tools: ReadonlyMap<string, { readonly approved?: string; readonly offered?: string }>;
}

/** A tool that its server offers and nobody has approved in this form. */
export interface WaitingTool {
  readonly server: string;
  readonly scope: string;
  readonly tool: string;
  /** The form that was approved, if any was. */
  readonly approved?: ListedTool | undefined;
  readonly offered: ListedTool;
  /** What to approve this very form by. */
  readonly hash: string;
}

/** A tool as it was listed, with its hash. */
export interface HashedTool {
  readonly tool: ListedTool;
  readonly hash: string;
}

/** Definitions of one server that are remembered; who edits back and forth is not asked again. */
const KEPT_SCOPES = 10;

interface Row {
  readonly server: string;
  readonly scope: string;
  readonly tool: string;
  readonly approved: string | null;
  readonly approved_hash: string | null;
  readonly offered: string | null;
  readonly offered_hash: string | null;
}

/** The rows of agreed tools. A scope is one definition of a server: an edited one begins anew. */
export class ToolPinRows {
  readonly #db: PinDb;

  constructor(db: PinDb) {
    this.#db = db;
  }

  state(server: string, scope: string): PinState {
    const { sql } = this.#db;
    const known = sql.get('SELECT 1 FROM tool_scopes WHERE server = ? AND scope = ?', server, scope);
    if (!known) return { known: false, tools: new Map() };
    const rows = sql.all<Pick<Row, 'tool' | 'approved_hash' | 'offered_hash'>>(
      'SELECT tool, approved_hash, offered_hash FROM tool_pins WHERE server = ? AND scope = ?',
      server,
      scope,
    );
    return {
      known: true,
      tools: new Map(
        rows.map(({ tool, approved_hash: approved, offered_hash: offered }) => [
          tool,
          { ...(approved === null ? {} : { approved }), ...(offered === null ? {} : { offered }) },
        ]),
      ),
    };
  }

  /** The scope under which the server was first learnt last. */
  latestScope(server: string): string | undefined {
    return this.#db.sql.get<{ scope: string }>(
      'SELECT scope FROM tool_scopes WHERE server = ? ORDER BY first_at DESC, rowid DESC LIMIT 1',
      server,
    )?.scope;
  }

  /**
   * The first list of a definition is approved as it is, but for what waited for approval under another definition of
   * the server, in whatever form it is now: editing an entry approves no tool that somebody is still to look at.
   */
  first(server: string, scope: string, tools: readonly HashedTool[]): void {
    const { sql } = this.#db;
    sql.transaction(() => {
      // Another engine of the home may have been faster.
      if (sql.get('SELECT 1 FROM tool_scopes WHERE server = ? AND scope = ?', server, scope)) return;
      const held = sql.all<Pick<Row, 'tool' | 'approved_hash'>>(
        'SELECT tool, approved_hash FROM tool_pins WHERE server = ? AND offered_hash IS NOT NULL',
        server,
      );
      for (const { tool, hash } of tools) {
        // By its name: one more letter in the description would make another form of what waits.
        const isHeld = held.some((row) => row.tool === tool.name && row.approved_hash !== hash);
        this.#put(server, scope, tool, isHeld ? { offered: hash } : { approved: hash });
      }
      sql.run(
        'UPDATE tool_pins SET offered = NULL, offered_hash = NULL WHERE server = ? AND scope <> ?',
        server,
        scope,
      );
      sql.run(
        'INSERT INTO tool_scopes (server, scope, first_at) VALUES (?, ?, ?)',
        server,
        scope,
        this.#db.now(),
      );
      this.#forgetOld(server);
    });
  }

  /** Keeps what a server offers now and nobody approved; what it no longer offers waits for nobody. */
  offer(server: string, scope: string, before: PinState, tools: readonly HashedTool[]): void {
    const { sql } = this.#db;
    const listed = new Map(tools.map((one) => [one.tool.name, one]));
    sql.transaction(() => {
      for (const [tool, { offered }] of before.tools) {
        if (offered === undefined || listed.has(tool)) continue;
        sql.run(
          'UPDATE tool_pins SET offered = NULL, offered_hash = NULL WHERE server = ? AND scope = ? AND tool = ?',
          server,
          scope,
          tool,
        );
      }
      for (const { tool, hash } of tools) {
        const row = before.tools.get(tool.name);
        if (row?.approved === hash && row.offered !== undefined)
          sql.run(
            'UPDATE tool_pins SET offered = NULL, offered_hash = NULL WHERE server = ? AND scope = ? AND tool = ?',
            server,
            scope,
            tool.name,
          );
        else if (row?.approved !== hash && row?.offered !== hash) {
          if (row)
            sql.run(
              'UPDATE tool_pins SET offered = ?, offered_hash = ? WHERE server = ? AND scope = ? AND tool = ?',
              JSON.stringify(pinnedPart(tool)),
              hash,
              server,
              scope,
              tool.name,
            );
          else this.#put(server, scope, tool, { offered: hash });
        }
      }
    });
  }

  waiting(): WaitingTool[] {
    return this.#db.sql
      .all<Row>('SELECT * FROM tool_pins WHERE offered_hash IS NOT NULL ORDER BY server, tool, scope')
      .map(({ server, scope, tool, approved, offered, offered_hash }) => ({
        server,
        scope,
        tool,
        approved: approved === null ? undefined : (JSON.parse(approved) as ListedTool),
        offered: JSON.parse(offered ?? '{}') as ListedTool,
        hash: offered_hash ?? '',
      }));
  }

  /** @returns false when the server offers something else by now. */
  approve({ server, scope, tool, hash }: Omit<WaitingTool, 'approved' | 'offered'>): boolean {
    const changed = this.#db.sql.run(
      `UPDATE tool_pins SET approved = offered, approved_hash = offered_hash, offered = NULL, offered_hash = NULL, at = ?
       WHERE server = ? AND scope = ? AND tool = ? AND offered_hash = ?`,
      this.#db.now(),
      server,
      scope,
      tool,
      hash,
    );
    return changed > 0;
  }

  /** Takes the approval of a tool, or of all tools of a server, back. @returns how many had one. */
  revoke(server: string, tool?: string): number {
    const which = tool === undefined ? '' : ' AND tool = ?';
    return this.#db.sql.run(
      `UPDATE tool_pins SET offered = COALESCE(offered, approved), offered_hash = COALESCE(offered_hash, approved_hash),
         approved = NULL, approved_hash = NULL
       WHERE server = ? AND approved_hash IS NOT NULL${which}`,
      server,
      ...(tool === undefined ? [] : [tool]),
    );
  }

  #put(
    server: string,
    scope: string,
    tool: ListedTool,
    { approved, offered }: { approved?: string; offered?: string },
  ): void {
    const text = JSON.stringify(pinnedPart(tool));
    this.#db.sql.run(
      `INSERT OR REPLACE INTO tool_pins (server, scope, tool, approved, approved_hash, offered, offered_hash, at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      server,
      scope,
      tool.name,
      approved === undefined ? null : text,
      approved ?? null,
      offered === undefined ? null : text,
      offered ?? null,
      this.#db.now(),
    );
  }

  #forgetOld(server: string): void {
    const { sql } = this.#db;
    const scopes = sql.all<{ scope: string }>(
      'SELECT scope FROM tool_scopes WHERE server = ? ORDER BY first_at DESC, rowid DESC',
      server,
    );
    for (const { scope } of scopes.slice(KEPT_SCOPES)) {
      sql.run('DELETE FROM tool_pins WHERE server = ? AND scope = ?', server, scope);
      sql.run('DELETE FROM tool_scopes WHERE server = ? AND scope = ?', server, scope);
    }
  }
}
