import type { PolicyFile } from '../config/policy-file.js';
import type { ServersFile } from '../config/servers-file.js';
import type { Asker } from '../core/caller.js';
import { RuntimeError } from '../core/errors.js';
import type { RuntimeEvent } from '../core/events.js';
import type { TaskQueue } from '../tasks/task-queue.js';
import type { AuditTrail } from './audit-trail.js';
import type { Discovery } from './discovery.js';
import type { Gate } from './gate.js';
import type { Library } from './library.js';
import type { Supervisor } from './supervisor.js';

interface RosterParts {
  readonly library: Library;
  readonly gate: Gate;
  readonly audit: AuditTrail;
  readonly supervisor: Supervisor;
  readonly tasks: TaskQueue;
  readonly discovery: Discovery;
  emit(event: RuntimeEvent): void;
}

/** Which servers there are: those of the servers file, and those of the index that the file does not name. */
export class Roster {
  readonly #parts: RosterParts;
  #file: ServersFile;
  #policy: PolicyFile | undefined;
  #hasPolicy = false;

  constructor(file: ServersFile, parts: RosterParts) {
    this.#file = file;
    this.#parts = parts;
  }

  /**
   * What is wrong with the servers file, the catalog and the index, for people. Who sees only some servers is told of
   * those alone, and who has a restricted token of nothing else.
   */
  problems(asker: Asker): readonly string[] {
    const { library, gate, discovery } = this.#parts;
    const sight = gate.sight(asker);
    const isTold = (server: string | undefined) =>
      sight.free ||
      (server !== undefined && sight.get(server) !== undefined) ||
      (asker.restriction === undefined && (server === undefined || !library.catalog.get(server)));
    const ofFile = this.#file.problems.flatMap(({ server, message }) => (isTold(server) ? [message] : []));
    if (asker.restriction !== undefined) return ofFile;
    return [...(this.#policy?.problems ?? []), ...ofFile, ...library.problems, ...discovery.problems];
  }

  /** What is not valid changes nothing; where nothing valid was before it, nothing may be used until it is corrected. */
  applyPolicy(file: PolicyFile): void {
    this.#policy = file;
    const [problem] = file.problems;
    if (problem !== undefined && this.#hasPolicy) return;
    this.#hasPolicy = problem === undefined;
    this.#parts.gate.setPolicy(file.policy, problem);
    void this.#parts.audit.act('policy', undefined, { valid: problem === undefined }, Promise.resolve());
    const servers = this.#parts.library.catalog.entries().map(({ definition }) => definition.name);
    this.#parts.emit({ type: 'catalog-changed', servers });
  }

  /**
   * Makes the servers of the file, or of a new one, and of the index the known ones: what went or changed is drained
   * and stopped, the rest runs on undisturbed.
   */
  async apply(file: ServersFile = this.#file): Promise<void> {
    this.#file = file;
    const { library, gate, supervisor, tasks, discovery } = this.#parts;
    // Also an entry that cannot be used is the user's word: the index does not fill in for it.
    const own = new Set([
      ...file.definitions.map(({ name }) => name),
      ...file.problems.map(({ server }) => server),
    ]);
    const indexed = discovery.definitions.filter((definition) => !own.has(definition.name));
    const definitions = [...file.definitions, ...indexed];
    const { removed, changed, updated } = library.catalog.setDefinitions(definitions);
    gate.changed();
    for (const server of removed) {
      tasks.failServer(
        server,
        new RuntimeError('SERVER_NOT_FOUND', `The server "${server}" was removed from the servers file.`),
      );
    }
    await supervisor.setDefinitions(definitions, new Set(changed));
    const servers = [...new Set([...removed, ...changed, ...updated])];
    if (servers.length > 0) this.#parts.emit({ type: 'catalog-changed', servers });
  }
}
