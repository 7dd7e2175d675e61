import type { Catalog } from '../catalog/catalog.js';
import { describeServer } from '../catalog/describe.js';
import type { CatalogEntry } from '../catalog/entry.js';
import { toolNotFound } from '../catalog/not-found.js';
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
  /** Whether all of it may be used, its resources and prompts too. */
  isWhole(server: string): boolean;
  /** Refuses what concerns more of a server than some of its tools: its resources and prompts. */
  requireWhole(server: string): CatalogEntry;
}

const MOST_SIGHTS = 1_000;

/**
 * The one place that decides who may see and use what. Every way to a server or tool goes through the sight of its
 * asker, which is worked out once for each state of a server and then looked up.
 */
export class Gate {
  readonly #catalog: Catalog;
  readonly #free: Sight;
  readonly #sights = new Map<string, Sight>();
  readonly #keys = new WeakMap<Restriction, string>();
  #policy: Policy | undefined;
  #broken: string | undefined;
  #byClient = false;
  #open = true;

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
    this.#free = freeSight(catalog);
  }

  /**
   * From now on this policy counts. Policies of definitions come with the catalog.
   * @param broken why there is none that could count: then everything is refused, with these words.
   */
  setPolicy(policy: Policy | undefined, broken?: string): void {
    this.#policy = policy;
    this.#broken = broken;
    this.changed();
  }

  /** Everything is decided anew. To be called when definitions changed. */
  changed(): void {
    this.#sights.clear();
    const policies = [this.#policy, ...this.#catalog.entries().map(({ definition }) => definition.policy)];
    this.#byClient = policies.some((one) =>
      [...(one?.allow ?? []), ...(one?.deny ?? []), ...(one?.confirmRules ?? [])].some(
        ({ client }) => client !== undefined,
      ),
    );
    this.#open =
      this.#broken === undefined &&
      policies.every((one) => one === undefined || Object.keys(one).length === 0);
  }

  sight(asker: Asker): Sight {
    const { restriction } = asker;
    if (this.#open && restriction === undefined) return this.#free;
    const key = canonicalKey(asker, this.#byClient || restriction !== undefined, this.#keys);
    const known = this.#sights.get(key);
    if (known) return known;
    if (this.#sights.size >= MOST_SIGHTS) this.#sights.clear();
    const sight = new JudgedSight(this.#catalog, judgeFor(asker, this.#policy), this.#broken);
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
    isWhole: () => true,
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
}

class JudgedSight implements Sight {
  readonly free = false;
  readonly #catalog: Catalog;
  readonly #judge: Judge;
  readonly #broken: string | undefined;
  readonly #seen = new WeakMap<CatalogEntry, Seen>();

  constructor(catalog: Catalog, judge: Judge, broken: string | undefined) {
    this.#catalog = catalog;
    this.#judge = judge;
    this.#broken = broken;
  }

  get(name: string): CatalogEntry | undefined {
    return this.#see(name)?.entry;
  }

  require(name: string): CatalogEntry {
    const entry = this.get(name);
    if (entry) return entry;
    if (this.#broken !== undefined)
      throw new RuntimeError('CONFIG_INVALID', `Nothing may be used: ${this.#broken}`, {
        hint: 'The user must correct the policy file; `mcp-runtime doctor` checks it.',
      });
    throw this.#catalog.serverNotFound(
      name,
      this.entries().map(({ definition }) => definition.name),
    );
  }

  isWhole(name: string): boolean {
    return this.#see(name)?.reach === 'whole';
  }

  requireWhole(name: string): CatalogEntry {
    const entry = this.require(name);
    if (this.isWhole(name)) return entry;
    throw new RuntimeError('FORBIDDEN', `Only tools of the server "${name}" may be used here.`, {
      hint: 'Its resources and prompts, and to stop it, need a rule or token for the whole server.',
    });
  }

  tool(server: string, tool: string): ListedTool | undefined {
    return this.#see(server)?.tools.get(tool);
  }

  toolNotFound(server: string, tool: string): RuntimeError {
    const { definition } = this.require(server);
    const among = this.#see(server)?.tools.keys() ?? [];
    // That a tool waits for approval or is blocked is not for those who may not see it.
    if (this.verdict(server, tool) === 'hidden')
      return toolNotFound(
        { definition: { ...definition, blockedTools: [] }, withheld: new Map() },
        tool,
        among,
      );
    return this.#catalog.toolNotFound(server, tool, among);
  }

  verdict(server: string, tool: string): Verdict {
    const seen = this.#see(server);
    if (!seen) return 'hidden';
    if (seen.tools.has(tool)) return seen.asks.has(tool) ? 'confirm' : 'allow';
    // Known and not to be seen, or not known yet: then its name decides, and the worst is assumed of it.
    if (this.#catalog.tool(server, tool)) return 'hidden';
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
    const entry = this.#broken === undefined ? this.#catalog.get(name) : undefined;
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
    const verdicts = new Map(
      tools.map((tool) => [tool, this.#judge.tool(name, policy, tool.name, tool.annotations)]),
    );
    const visible = tools.filter((tool) => verdicts.get(tool) !== 'hidden');
    return {
      reach: this.#judge.server(name, policy),
      entry:
        visible.length === tools.length
          ? entry
          : { ...entry, tools: visible, description: describeServer(definition, identity, visible) },
      tools: new Map(visible.map((tool) => [tool.name, tool])),
      asks: new Set(visible.flatMap((tool) => (verdicts.get(tool) === 'confirm' ? [tool.name] : []))),
    };
  }
}
