import type { Catalog, CatalogEntry } from '../catalog/catalog.js';
import { describeServer } from '../catalog/describe.js';
import type { Asker } from '../core/caller.js';
import { RuntimeError } from '../core/errors.js';
import type { Policy, Restriction } from '../core/policy.js';
import type { ListedTool } from '../core/server.js';
import { canonicalJson } from '../lib/hash.js';
import { type Judge, judgeFor, type Reach, type Verdict } from './decide.js';

/** The catalog as far as one asker may see it: what is hidden is not there, whatever way it is asked for. */
export interface Sight
  extends Pick<
    Catalog,
    'get' | 'require' | 'tool' | 'toolNotFound' | 'entries' | 'toolCount' | 'searchTools' | 'searchServers'
  > {
  /** Whether nothing is hidden and nobody is asked. */
  readonly free: boolean;
  /** Of a tool that may not be known yet. */
  verdict(server: string, tool: string): Verdict;
  /** Refuses what concerns more of a server than some of its tools: its resources and prompts. */
  requireWhole(server: string): CatalogEntry;
}

/**
 * Tools that are kept back whatever the policy says, with the error that a call of each gets.
 * Whoever answers differently than before says so by `Gate.changed`.
 */
export type Holds = (entry: CatalogEntry) => ReadonlyMap<string, RuntimeError> | undefined;

const MOST_SIGHTS = 1_000;

/**
 * The one place that decides who may see and use what. Every way to a server or tool goes through the sight of its
 * asker, which is worked out once for each state of a server and then looked up.
 */
export class Gate {
  readonly #catalog: Catalog;
  readonly #holds: Holds;
  readonly #free: Sight;
  readonly #sights = new Map<string, Sight>();
  readonly #keys = new WeakMap<Restriction, string>();
  #policy: Policy | undefined;
  #byClient = false;
  #holding = false;

  /** @param holds which tools of a server are kept back; undefined for none. */
  constructor(catalog: Catalog, holds?: Holds) {
    this.#catalog = catalog;
    this.#holds = holds ?? (() => undefined);
    this.#holding = holds !== undefined;
    this.#free = freeSight(catalog);
  }

  /** From now on this policy counts. Policies of definitions come with the catalog. */
  setPolicy(policy: Policy | undefined): void {
    this.#policy = policy;
    this.changed();
  }

  /** Everything is decided anew. To be called when holds or definitions changed. */
  changed(): void {
    this.#sights.clear();
    const policies = [this.#policy, ...this.#catalog.entries().map(({ definition }) => definition.policy)];
    this.#byClient = policies.some((one) =>
      [...(one?.allow ?? []), ...(one?.deny ?? []), ...(one?.confirmRules ?? [])].some(
        ({ client }) => client !== undefined,
      ),
    );
    this.#open =
      !this.#holding && policies.every((one) => one === undefined || Object.keys(one).length === 0);
  }
  #open = true;

  sight(asker: Asker): Sight {
    const { restriction } = asker;
    if (this.#open && restriction === undefined) return this.#free;
    const key = canonicalKey(asker, this.#byClient || restriction !== undefined, this.#keys);
    const known = this.#sights.get(key);
    if (known) return known;
    if (this.#sights.size >= MOST_SIGHTS) this.#sights.clear();
    const sight = new JudgedSight(this.#catalog, judgeFor(asker, this.#policy), this.#holds);
    this.#sights.set(key, sight);
    return sight;
  }
}

function canonicalKey(
  { principal, clientName, restriction }: Asker,
  named: boolean,
  keys: WeakMap<Restriction, string>,
): string {
  if (!named) return '';
  if (!restriction) return JSON.stringify([principal, clientName]);
  const restricted = keys.get(restriction) ?? canonicalJson(restriction);
  keys.set(restriction, restricted);
  return JSON.stringify([principal, clientName, restricted]);
}

function freeSight(catalog: Catalog): Sight {
  return {
    free: true,
    get: (name) => catalog.get(name),
    require: (name) => catalog.require(name),
    tool: (server, tool) => catalog.tool(server, tool),
    toolNotFound: (server, tool) => catalog.toolNotFound(server, tool),
    entries: () => catalog.entries(),
    get toolCount() {
      return catalog.toolCount;
    },
    searchTools: (wish) => catalog.searchTools(wish),
    searchServers: (wish) => catalog.searchServers(wish),
    verdict: () => 'allow',
    requireWhole: (server) => catalog.require(server),
  };
}

/** What was worked out for one state of a server. */
interface Seen {
  readonly reach: Reach;
  /** With the visible tools alone. */
  readonly entry: CatalogEntry;
  readonly tools: ReadonlyMap<string, ListedTool>;
  readonly asks: ReadonlySet<string>;
  readonly held: ReadonlyMap<string, RuntimeError> | undefined;
}

class JudgedSight implements Sight {
  readonly free = false;
  readonly #catalog: Catalog;
  readonly #judge: Judge;
  readonly #holds: Holds;
  readonly #seen = new WeakMap<CatalogEntry, Seen>();

  constructor(catalog: Catalog, judge: Judge, holds: Holds) {
    this.#catalog = catalog;
    this.#judge = judge;
    this.#holds = holds;
  }

  get(name: string): CatalogEntry | undefined {
    return this.#see(name)?.entry;
  }

  require(name: string): CatalogEntry {
    const entry = this.get(name);
    if (entry) return entry;
    throw this.#catalog.serverNotFound(
      name,
      this.entries().map(({ definition }) => definition.name),
    );
  }

  requireWhole(name: string): CatalogEntry {
    const entry = this.require(name);
    if (this.#see(name)?.reach === 'whole') return entry;
    throw new RuntimeError('FORBIDDEN', `Only tools of the server "${name}" may be used here.`, {
      hint: 'Its resources and prompts need a rule that allows the whole server.',
    });
  }

  tool(server: string, tool: string): ListedTool | undefined {
    return this.#see(server)?.tools.get(tool);
  }

  toolNotFound(server: string, tool: string): RuntimeError {
    this.require(server);
    const seen = this.#see(server);
    return seen?.held?.get(tool) ?? this.#catalog.toolNotFound(server, tool, seen?.tools.keys() ?? []);
  }

  verdict(server: string, tool: string): Verdict {
    const seen = this.#see(server);
    if (!seen) return 'hidden';
    if (seen.tools.has(tool)) return seen.asks.has(tool) ? 'confirm' : 'allow';
    // Known and not to be seen, or not known yet: then its name decides, and the worst is assumed of it.
    if (this.#catalog.tool(server, tool) || seen.held?.has(tool)) return 'hidden';
    return this.#judge.tool(server, seen.entry.definition.policy, tool, undefined);
  }

  entries(): readonly CatalogEntry[] {
    return this.#catalog.entries().flatMap(({ definition }) => this.get(definition.name) ?? []);
  }

  get toolCount(): number {
    return this.entries().reduce((sum, { tools }) => sum + tools.length, 0);
  }

  searchTools(wish: Parameters<Sight['searchTools']>[0]): ReturnType<Sight['searchTools']> {
    const sees = (server: string, tool: string) => this.tool(server, tool) !== undefined;
    return this.#catalog.searchTools({ ...wish, sees });
  }

  searchServers(wish: Parameters<Sight['searchServers']>[0]): ReturnType<Sight['searchServers']> {
    return this.#catalog.searchServers(wish, (server) => this.#see(server) !== undefined);
  }

  /** Undefined for what is hidden and for what is not there alike. */
  #see(name: string): Seen | undefined {
    const entry = this.#catalog.get(name);
    if (!entry) return undefined;
    let seen = this.#seen.get(entry);
    if (!seen) {
      seen = this.#look(entry);
      this.#seen.set(entry, seen);
    }
    return seen.reach === 'hidden' ? undefined : seen;
  }

  #look(entry: CatalogEntry): Seen {
    const { definition, identity, tools } = entry;
    const { name, policy } = definition;
    const held = this.#holds(entry);
    const verdicts = new Map(
      tools.map((tool) => [tool, this.#judge.tool(name, policy, tool.name, tool.annotations)]),
    );
    const visible = tools.filter((tool) => verdicts.get(tool) !== 'hidden' && !held?.has(tool.name));
    return {
      reach: this.#judge.server(name, policy),
      entry:
        visible.length === tools.length
          ? entry
          : { ...entry, tools: visible, description: describeServer(definition, identity, visible) },
      tools: new Map(visible.map((tool) => [tool.name, tool])),
      asks: new Set(visible.flatMap((tool) => (verdicts.get(tool) === 'confirm' ? [tool.name] : []))),
      held,
    };
  }
}
