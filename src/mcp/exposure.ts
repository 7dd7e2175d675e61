import { randomUUID } from 'node:crypto';
import type { OperationContext } from '../core/caller.js';
import type { ListedTool } from '../core/server.js';
import { sleep } from '../lib/abort.js';
import { canonicalJson, sha256 } from '../lib/hash.js';
import type { Logger } from '../lib/log.js';
import type { OperationOutput, RuntimePort } from '../operations/table.js';
import { toolDefinitions } from '../operations/tool-definition.js';

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

/** What of the upstream servers is shown to clients, kept until it changes. */
export class Exposure {
  readonly #port: RuntimePort;
  readonly #expose: Expose;
  readonly #pins: readonly Pin[];
  readonly #logger: Logger;
  readonly #onChange: () => void;
  #current: Promise<Exposed> | undefined;
  /** What `current` became: most calls need not wait for anything. */
  #known: Exposed | undefined;
  /** Of what was shown last. */
  #hash: string | undefined;
  #servers: ReadonlySet<string> = new Set();

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

  /** Whether resources and prompts of a server are shown, as far as was asked. */
  shows(server: string): boolean {
    return this.#servers.has(server);
  }

  /** Our own tools can be shown without it: then nobody waits long for it. */
  async get(signal: AbortSignal): Promise<Exposed> {
    if (this.#known) return this.#known;
    const load = this.#load();
    if (this.direct) return load;
    const late = sleep(PATIENCE_MS, { signal, unref: true }).then(
      () => undefined,
      () => undefined,
    );
    const known = await Promise.race([load.catch(() => NOTHING), late]);
    if (known) return known;
    this.#hash ??= hashOf(NOTHING);
    void load.then(() => this.refresh()).catch(() => {});
    return NOTHING;
  }

  /** Something of the servers changed: clients hear of it if it is something that they were shown. */
  async refresh(): Promise<void> {
    // Nobody has looked yet.
    if (this.#hash === undefined) return;
    const before = this.#hash;
    this.#current = undefined;
    this.#known = undefined;
    try {
      await this.#load();
      if (this.#hash !== before) this.#onChange();
    } catch (error) {
      this.#logger.warn(
        { error: String(error) },
        'what is shown of the servers could not be brought up to date',
      );
    }
  }

  #load(): Promise<Exposed> {
    this.#current ??= this.#ask().catch((error: unknown) => {
      this.#current = undefined;
      throw error;
    });
    return this.#current;
  }

  async #ask(): Promise<Exposed> {
    const context: OperationContext = {
      caller: { principal: 'local', clientId: randomUUID() },
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
        taken: new Set(this.direct ? [] : toolDefinitions().map(({ name }) => name)),
      }),
      whole: servers.filter(({ whole }) => whole),
    };
    this.#hash = hashOf(exposed);
    this.#known = exposed;
    this.#servers = new Set(exposed.whole.map(({ server }) => server));
    return exposed;
  }
}

const hashOf = ({ tools, whole }: Exposed): string => sha256(canonicalJson([[...tools], whole]));
