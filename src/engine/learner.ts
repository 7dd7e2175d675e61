import { setMaxListeners } from 'node:events';
import type { Catalog } from '../catalog/catalog.js';
import { RuntimeError } from '../core/errors.js';
import type { UpstreamSession } from '../core/upstream.js';
import type { Logger } from '../lib/log.js';
import { Semaphore } from '../lib/semaphore.js';
import { problemOf } from './problems.js';
import { Relisting } from './relisting.js';
import type { Supervisor, Tenant } from './supervisor.js';

/** Listing the tools of a running server must end within this time, ms. */
const LIST_TIMEOUT_MS = 30_000;

/** Servers that run for learning alone belong to nobody. */
const learnerTenant: Tenant = { clientId: '' };

export interface LearnOutcome {
  readonly server: string;
  readonly outcome: 'learnt' | 'unchanged' | 'failed' | 'skipped';
  readonly tools: number;
  readonly problem?: string | undefined;
}

/**
 * Learns the tools of servers: each is started once, a few at a time, listed, and stopped again if nobody else uses
 * it. A server that is started for other reasons is learnt on the way.
 */
export class Learner {
  readonly #catalog: Catalog;
  readonly #supervisor: Supervisor;
  readonly #logger: Logger;
  readonly #slots: Semaphore;
  readonly #onChange: (server: string) => void;
  readonly #learning = new Map<string, Promise<LearnOutcome>>();
  readonly #listing = new WeakMap<UpstreamSession, Promise<boolean>>();
  readonly #listed = new WeakSet<UpstreamSession>();
  readonly #relistings = new Set<Relisting>();
  readonly #scope = new AbortController();

  constructor(options: {
    catalog: Catalog;
    supervisor: Supervisor;
    concurrency: number;
    logger: Logger;
    onChange: (server: string) => void;
  }) {
    // Every list that is under way listens to it; more than ten are no leak.
    setMaxListeners(0, this.#scope.signal);
    this.#catalog = options.catalog;
    this.#supervisor = options.supervisor;
    this.#logger = options.logger;
    this.#slots = new Semaphore(options.concurrency);
    this.#onChange = options.onChange;
  }

  /** How many are being learnt or wait for it. */
  get pending(): number {
    return this.#learning.size;
  }

  /** Learns one server; calls for the same server share the work. Never rejects: the outcome says what went wrong. */
  learn(server: string): Promise<LearnOutcome> {
    let work = this.#learning.get(server);
    if (!work) {
      work = this.#learn(server).finally(() => this.#learning.delete(server));
      this.#learning.set(server, work);
    }
    return work;
  }

  /**
   * Lists the tools of a session that just became ready, once per session; further calls wait for the same list.
   * @returns whether what is known changed. Rejects with what the listing rejects with.
   */
  refresh(server: string, session: UpstreamSession): Promise<boolean> {
    let work = this.#listing.get(session);
    if (!work) {
      work = this.#list(server, session);
      this.#listing.set(session, work);
    }
    return work;
  }

  /** Whether the session has told its tools, or failed to: until then what is known is of an earlier one. */
  hasListed(session: UpstreamSession): boolean {
    return this.#listed.has(session);
  }

  /** Keeps what is known in step with a session for as long as it lives. */
  follow(server: string, session: UpstreamSession): void {
    const relisting = new Relisting(
      session,
      () => {
        const work = this.#list(server, session);
        this.#listing.set(session, work);
        return work;
      },
      (error) => this.#logger.warn({ server, error: String(error) }, 'tools could not be listed again'),
    );
    this.#relistings.add(relisting);
    void session.ended.then(() => this.#relistings.delete(relisting));
  }

  close(): void {
    this.#scope.abort(new RuntimeError('ENGINE_DRAINING', 'The engine is stopping.'));
    for (const relisting of this.#relistings) relisting.stop();
    this.#relistings.clear();
  }

  async #learn(server: string): Promise<LearnOutcome> {
    const tools = () => this.#catalog.get(server)?.tools.length ?? 0;
    if (this.#catalog.get(server)?.definition.disabled) return { server, outcome: 'skipped', tools: tools() };
    try {
      using _slot = await this.#slots.acquire(this.#scope.signal);
      let changed: boolean;
      {
        using lease = await this.#supervisor.visit(server, learnerTenant, this.#scope.signal);
        changed = await this.refresh(server, lease.session);
      }
      await this.#supervisor.stopIfUnwanted(server, learnerTenant);
      return { server, outcome: changed ? 'learnt' : 'unchanged', tools: tools() };
    } catch (error) {
      if (this.#scope.signal.aborted) return { server, outcome: 'skipped', tools: tools() };
      const { problem } = problemOf(error);
      this.#catalog.recordFailure(server, problem);
      this.#onChange(server);
      this.#logger.warn({ server, code: problem.code }, problem.message);
      return { server, outcome: 'failed', tools: tools(), problem: problem.message };
    }
  }

  async #list(server: string, session: UpstreamSession): Promise<boolean> {
    try {
      return await this.#askForList(server, session);
    } finally {
      this.#listed.add(session);
    }
  }

  async #askForList(server: string, session: UpstreamSession): Promise<boolean> {
    const { tools, problems } = await session
      .listTools({ signal: this.#scope.signal, timeoutMs: LIST_TIMEOUT_MS })
      .catch((error: unknown) => {
        // A server of resources or prompts alone answers "method not found"; that is no failure.
        if (session.identity.capabilities['tools'] === undefined && isMethodNotFound(error))
          return { tools: [], problems: ['The server offers no tools.'] };
        throw error;
      });
    const changed = this.#catalog.record(server, { identity: session.identity, tools, problems });
    if (changed) this.#onChange(server);
    return changed;
  }
}

const isMethodNotFound = (error: unknown): boolean =>
  error instanceof RuntimeError && error.code === 'UPSTREAM_ERROR' && error.data?.['code'] === -32601;
