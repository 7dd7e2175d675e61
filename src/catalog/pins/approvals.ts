import type { KnownServer, ListedTool } from '../../core/server.js';
import { DefinitionPins, pinHash, pinOf } from './definition-pins.js';
import type { PinDb } from './pin-db.js';
import { toolHash } from './tool-hash.js';
import { type HashedTool, type PinState, ToolPinRows } from './tool-pin-rows.js';

/** Whose word is enough to run what is not in the user's own servers file (`DISCOVERY_TRUST`). */
export type Trust = 'first-use' | 'ask' | 'all';

/**
 * Where a list comes from: the server told it just now, or earlier under the same definition; it was told under another
 * definition; or an index told it, and the server never ran here.
 */
export type ListOrigin = 'listed' | 'remembered' | 'earlier' | 'told';

/** Why a tool is neither found nor called. */
export type Withheld = 'new' | 'changed' | 'server' | 'unreadable';

interface Admission {
  /** In the server's order. */
  readonly admitted: readonly ListedTool[];
  readonly withheld: ReadonlyMap<string, Withheld>;
}

const NOTHING_WITHHELD: ReadonlyMap<string, Withheld> = new Map();

/**
 * Decides which tools there are for everybody: those that were agreed to, in the form that was agreed to. What is found,
 * listed and called is all taken from its answer, so that none of them can differ.
 */
export class Approvals {
  readonly #db: PinDb;
  readonly #rows: ToolPinRows;
  readonly #definitions: DefinitionPins;
  readonly #trust: Trust;
  readonly #pinTools: boolean;
  readonly #states = new Map<string, PinState>();
  #problem: string | undefined;

  constructor(db: PinDb, options: { trust: Trust; pinTools: boolean }) {
    this.#db = db;
    this.#rows = new ToolPinRows(db);
    this.#definitions = new DefinitionPins(db);
    this.#trust = options.trust;
    this.#pinTools = options.pinTools;
  }

  /** Why nothing can be decided, for people. Everything is withheld then. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Whether the server's own list was agreed to before: then what an index tells of its tools counts no more. */
  knows(definition: KnownServer): boolean {
    if (!this.#pinTools) return false;
    return this.#guarded(() => this.#state(definition.name, scopeOf(definition)).known, true);
  }

  admit(definition: KnownServer, tools: readonly ListedTool[], origin: ListOrigin): Admission {
    const all = (why: Withheld) => ({
      admitted: [],
      withheld: new Map(tools.map((tool) => [tool.name, why])),
    });
    return this.#guarded(() => {
      if (definition.transport === 'index' && !this.#mayStart(definition)) return all('server');
      if (!this.#pinTools) return { admitted: tools, withheld: NOTHING_WITHHELD };
      return this.#decide(definition, tools, origin);
    }, all('unreadable'));
  }

  /** Takes in what other processes approved or took back. @returns whether anything may be decided differently now. */
  refresh(): boolean {
    return this.#guarded(() => {
      const had = this.#problem !== undefined;
      const changed = this.#db.changedElsewhere() || had;
      if (changed) this.#states.clear();
      return changed;
    }, false);
  }

  #decide(definition: KnownServer, tools: readonly ListedTool[], origin: ListOrigin): Admission {
    const { name } = definition;
    const hashed = tools.map((tool): HashedTool => ({ tool, hash: toolHash(tool) }));
    let scope = scopeOf(definition);
    let state = this.#state(name, scope);
    if (!state.known && (origin === 'listed' || origin === 'remembered')) {
      this.#rows.first(name, scope, hashed);
      state = this.#reload(name, scope);
    }
    if (!state.known && origin === 'earlier') {
      scope = this.#rows.latestScope(name) ?? scope;
      state = this.#state(name, scope);
    }
    if (!state.known) return { admitted: tools, withheld: NOTHING_WITHHELD };
    if (origin === 'listed' && differs(state, hashed)) {
      this.#rows.offer(name, scope, state, hashed);
      state = this.#reload(name, scope);
    }
    const admitted: ListedTool[] = [];
    const withheld = new Map<string, Withheld>();
    for (const { tool, hash } of hashed) {
      const approved = state.tools.get(tool.name)?.approved;
      if (approved === hash) admitted.push(tool);
      else withheld.set(tool.name, approved === undefined ? 'new' : 'changed');
    }
    return { admitted, withheld };
  }

  /** Not whether it may be started as it is now, which is asked when it is started: whether anybody agreed to it at all. */
  #mayStart(definition: Extract<KnownServer, { transport: 'index' }>): boolean {
    if (this.#trust === 'all') return true;
    const pin = this.#definitions.get(definition.index, definition.name);
    return pin === undefined ? this.#trust === 'first-use' : pin.approved !== undefined;
  }

  #state(server: string, scope: string): PinState {
    return this.#states.get(keyOf(server, scope)) ?? this.#reload(server, scope);
  }

  #reload(server: string, scope: string): PinState {
    const state = this.#rows.state(server, scope);
    this.#states.set(keyOf(server, scope), state);
    return state;
  }

  /** Who cannot read what was agreed to has agreed to nothing. */
  #guarded<T>(decide: () => T, otherwise: T): T {
    try {
      const decided = decide();
      this.#problem = undefined;
      return decided;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#problem = `What was approved cannot be read, so no tool is used. ${why} Moved away, ${this.#db.path} is made anew, and the tools are approved as they are then.`;
      return otherwise;
    }
  }
}

const keyOf = (server: string, scope: string): string => JSON.stringify([server, scope]);

function scopeOf(definition: KnownServer): string {
  if (definition.transport === 'index') return `index ${definition.index}`;
  const written = definition.written ?? pinHash(pinOf(definition));
  return `${definition.source} ${written}`;
}

/** Whether the rows must be told of this list. */
function differs({ tools }: PinState, listed: readonly HashedTool[]): boolean {
  const names = new Set(listed.map(({ tool }) => tool.name));
  for (const [name, { offered }] of tools) if (offered !== undefined && !names.has(name)) return true;
  return listed.some(({ tool, hash }) => {
    const row = tools.get(tool.name);
    return row?.approved === hash ? row.offered !== undefined : row?.offered !== hash;
  });
}
