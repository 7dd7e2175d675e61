import { randomUUID } from 'node:crypto';
import type { Asker, Caller, OperationContext } from '../core/caller.js';
import type { ListedTool } from '../core/server.js';
import { sleep } from '../lib/abort.js';
import { canonicalJson, sha256 } from '../lib/hash.js';
import type { Logger } from '../lib/log.js';
import type { OperationOutput, RuntimePort } from '../operations/table.js';
import { toolNames } from '../operations/tool-definition.js';
import type { Expose } from './expose.js';
import { exposedNames } from './exposed-names.js';

export interface Pin {
  readonly server: string;
  /** Undefined: all of it. */
  readonly tool?: string | undefined;
}

export interface ExposedTool {
  readonly server: string;
  /** As its server calls it. */
  readonly name: string;
  readonly tool: ListedTool;
}

/** Upstream servers that are shown as if they were ours, as they are at one moment. */
export interface Exposed {
  /** By the names under which clients see them, in the order in which they do. */
  readonly tools: ReadonlyMap<string, ExposedTool>;
  /** Those whose resources and prompts are shown too. */
  readonly whole: OperationOutput<'list_exposed'>['servers'];
}

/** A client that lists our own tools does not wait longer for an engine that is still on its way, ms. */
const PATIENCE_MS = 1_500;
const NOTHING: Exposed = { tools: new Map(), whole: [] };

/** Audiences that are remembered; who comes after them asks again. */
const MAX_VIEWS = 256;

/** What clients of whom the same is decided are shown, kept until it changes. */
interface View {
  readonly audience: Asker;
  current: Promise<Exposed> | undefined;
  /** What `current` became: most calls need not wait for anything. */
  known: Exposed | undefined;
  /** Of what was shown last. */
  hash: string | undefined;
  servers: ReadonlySet<string>;
  /** Made room for another; it is not kept up to date any more. */
  left: boolean;
}

/** What of the upstream servers is shown to clients, each as far as it may see them. */
export class Exposure {
  readonly #port: RuntimePort;
  readonly #expose: Expose;
  readonly #pins: readonly Pin[];
  readonly #logger: Logger;
  readonly #onChange: () => void;
  readonly #views = new Map<string, View>();
  /** The same by caller, with the name it had: clients say theirs after they came. */
  readonly #viewOf = new WeakMap<Caller, { readonly name: string | undefined; readonly view: View }>();

  constructor(
    port: RuntimePort,
    options: { expose: Expose; pins?: readonly Pin[] | undefined; logger: Logger; onChange: () => void },
  ) {
    this.#port = port;
    this.#expose = options.expose;
    this.#pins = options.pins ?? [];
    this.#logger = options.logger;
    this.#onChange = options.onChange;
  }

  /** Everything is shown and nothing of our own. */
  get direct(): boolean {
    return this.#expose === 'direct';
  }

  /** Whether resources and prompts of a server are shown, as far as was asked; to everybody, without a caller. */
  shows(server: string, caller?: Caller): boolean {
    if (caller) return this.#view(caller).servers.has(server);
    const views = [...this.#views.values()];
    return views.length > 0 && views.every(({ servers }) => servers.has(server));
  }

  /** What is shown, where that is known already, as with almost every call. */
  known(caller: Caller): Exposed | undefined {
    return this.#view(caller).known;
  }

  /** Our own tools can be shown without it: then nobody waits long for it. */
  async get(caller: Caller, signal: AbortSignal): Promise<Exposed> {
    const view = this.#view(caller);
    if (view.known) return view.known;
    const load = this.#load(view);
    if (this.direct) return load;
    const late = sleep(PATIENCE_MS, { signal, unref: true }).then(
      () => undefined,
      () => undefined,
    );
    const known = await Promise.race([load.catch(() => NOTHING), late]);
    if (known) return known;
    view.hash ??= hashOf(NOTHING);
    void load.then(() => this.#refresh(view)).catch(() => {});
    return NOTHING;
  }

  /** Something of the servers changed: clients hear of it if it is something that they were shown. */
  async refresh(): Promise<void> {
    await Promise.all([...this.#views.values()].map((view) => this.#refresh(view)));
  }

  async #refresh(view: View): Promise<void> {
    // Nobody has looked yet.
    if (view.hash === undefined) return;
    const before = view.hash;
    view.current = undefined;
    view.known = undefined;
    try {
      await this.#load(view);
      if (view.hash !== before) this.#onChange();
    } catch (error) {
      this.#logger.warn(
        { error: String(error) },
        'what is shown of the servers could not be brought up to date',
      );
    }
  }

  #view(caller: Caller): View {
    const { principal, clientName, restriction } = caller;
    const last = this.#viewOf.get(caller);
    if (last && last.name === clientName && !last.view.left) return last.view;
    const key = JSON.stringify([principal, clientName, restriction]);
    let view = this.#views.get(key);
    if (!view) {
      this.#makeRoom();
      const audience = { principal, clientName, restriction };
      view = {
        audience,
        current: undefined,
        known: undefined,
        hash: undefined,
        servers: new Set(),
        left: false,
      };
      this.#views.set(key, view);
    }
    this.#viewOf.set(caller, { name: clientName, view });
    return view;
  }

  #makeRoom(): void {
    const [oldest] = this.#views;
    if (oldest === undefined || this.#views.size < MAX_VIEWS) return;
    const [key, view] = oldest;
    view.left = true;
    this.#views.delete(key);
  }

  #load(view: View): Promise<Exposed> {
    view.current ??= this.#ask(view).catch((error: unknown) => {
      view.current = undefined;
      throw error;
    });
    return view.current;
  }

  async #ask(view: View): Promise<Exposed> {
    const context: OperationContext = {
      caller: { ...view.audience, clientId: randomUUID() },
      signal: new AbortController().signal,
    };
    const { servers } = await this.#port.list_exposed(
      { all: this.direct, pins: this.#pins.map(({ server, tool }) => ({ server, tool })) },
      context,
    );
    const tools = servers.flatMap(({ server, tools }) =>
      tools.map((tool): ExposedTool => ({ server, name: tool.name, tool })),
    );
    const exposed: Exposed = {
      tools: exposedNames(tools, {
        plain: this.direct && servers.length === 1,
        taken: new Set(this.direct ? [] : toolNames),
      }),
      whole: servers.filter(({ whole }) => whole),
    };
    view.hash = hashOf(exposed);
    view.known = exposed;
    view.servers = new Set(exposed.whole.map(({ server }) => server));
    return exposed;
  }
}

const hashOf = ({ tools, whole }: Exposed): string => sha256(canonicalJson([[...tools], whole]));
