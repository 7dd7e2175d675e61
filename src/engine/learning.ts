import type { Catalog } from '../catalog/catalog.js';
import type { OperationContext } from '../core/caller.js';
import { untilAborted } from '../lib/abort.js';
import type { OperationInput as In, OperationOutput as Out } from '../operations/table.js';
import type { Discovery } from './discovery.js';
import type { Learner, LearnOutcome } from './learner.js';

/** Which servers are to be learnt, and how that went. */
export class Learning {
  readonly #catalog: Catalog;
  readonly #learner: Learner;
  readonly #failed = new Set<string>();

  readonly #discovery: Discovery;

  constructor(catalog: Catalog, learner: Learner, discovery: Discovery) {
    this.#catalog = catalog;
    this.#learner = learner;
    this.#discovery = discovery;
  }

  /** How many are being learnt, wait for it, or are not wholly searchable yet; the remote index counts as one while it is asked. */
  get pending(): number {
    return this.#learner.pending + this.#catalog.unread + (this.#discovery.pending ? 1 : 0);
  }

  /** Servers that could not be learnt when it was last tried. */
  get failed(): number {
    return this.#failed.size;
  }

  /** Learns what is not known yet, or no longer for sure. */
  missing(): Promise<LearnOutcome[]> {
    return this.#learn(this.#unlearnt());
  }

  /** The operation: waits for the outcome of each, and tells of every server there is. */
  async run(input: In<'learn_servers'>, context: OperationContext): Promise<Out<'learn_servers'>> {
    if (!input.server_names) await untilAborted(this.#discovery.refresh(), context.signal);
    const named = input.server_names?.map((name) => this.#catalog.require(name).definition.name);
    const all = named ?? this.#catalog.entries().map((entry) => entry.definition.name);
    const learnt = await this.#learn(named ?? this.#unlearnt(input.again), context);
    const outcomes = new Map(learnt.map((one) => [one.server, one]));
    return {
      servers: all.map(
        (server): Out<'learn_servers'>['servers'][number] =>
          outcomes.get(server) ?? {
            server,
            outcome: 'unchanged',
            tools: this.#catalog.require(server).tools.length,
          },
      ),
    };
  }

  #unlearnt(all = false): string[] {
    return this.#catalog
      .entries()
      .filter(
        ({ definition, learntAt, stale }) =>
          !definition.disabled &&
          // Servers of an index are started when someone uses them, never to learn of them.
          definition.transport !== 'index' &&
          (all || learntAt === undefined || stale !== undefined || definition.overwrite),
      )
      .map(({ definition }) => definition.name);
  }

  #learn(servers: readonly string[], context?: OperationContext): Promise<LearnOutcome[]> {
    let done = 0;
    return Promise.all(
      servers.map(async (server) => {
        const outcome = await this.#learner.learn(server);
        if (outcome.outcome === 'failed') this.#failed.add(server);
        else this.#failed.delete(server);
        done += 1;
        context?.progress?.({
          progress: done,
          total: servers.length,
          message: `${server}: ${outcome.outcome}`,
        });
        return outcome;
      }),
    );
  }
}
