import type { ClientLink } from '../core/client-link.js';
import { RuntimeError } from '../core/errors.js';
import type { KnownServer, ServerState } from '../core/server.js';
import type { UpstreamSession } from '../core/upstream.js';
import { sleep } from '../lib/abort.js';
import type { Logger } from '../lib/log.js';
import { Semaphore } from '../lib/semaphore.js';
import { ManagedServer } from './managed-server.js';
import type { Lease } from './server-hooks.js';

/** For whom a server is used: a per-client server runs once for each of them. */
export interface Tenant {
  readonly clientId: string;
  /** The way to the client, while one of its calls waits. */
  readonly client?: ClientLink | undefined;
}

export interface SupervisorOptions {
  /** Opens a session; honours the signal. */
  open(definition: KnownServer, tenant: Tenant, signal: AbortSignal): Promise<UpstreamSession>;
  readonly maxRunning: number;
  readonly logger: Logger;
  onState(server: string, state: ServerState): void;
  /** @param clientId whose server it is, when it runs for one client alone. */
  onReady(server: string, session: UpstreamSession, clientId: string | undefined): void;
}

/** What can be seen of one running server. */
export interface ServerSnapshot {
  readonly server: string;
  readonly clientId: string | undefined;
  readonly state: ServerState;
  readonly pid: number | undefined;
  readonly inFlight: number;
  readonly calls: number;
}

/** More starts than this only slow one another down, and each holds descriptors meanwhile; a few that hang still leave room. */
const STARTS_AT_ONCE = 16;

/** Owns every upstream server: the only place where one is started or stopped. */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #definitions = new Map<string, KnownServer>();
  /** By server name, then by client id ('' for shared ones). */
  readonly #servers = new Map<string, Map<string, ManagedServer>>();
  /** Those whose definition went or changed, until they have ended; by name. */
  readonly #leaving = new Map<ManagedServer, Promise<void>>();
  /** Those that count as running: from when room was made for them until their end. */
  readonly #occupying = new Set<ManagedServer>();
  /** Who wanted it last: whoever was first may have left, and can be asked nothing. */
  readonly #asking = new WeakMap<ManagedServer, Tenant>();
  readonly #starts = new Semaphore(STARTS_AT_ONCE);
  #closing: Promise<void> | undefined;

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  /** Makes these the known definitions. What went or starts differently is drained and stopped; the rest runs on. */
  async setDefinitions(definitions: readonly KnownServer[], changed: ReadonlySet<string>): Promise<void> {
    const wanted = new Map(definitions.map((definition) => [definition.name, definition]));
    const stops: Promise<void>[] = [];
    for (const [name, instances] of this.#servers) {
      const next = wanted.get(name);
      if (next && !changed.has(name) && !next.disabled && sameLife(this.#definitions.get(name), next))
        continue;
      this.#servers.delete(name);
      for (const server of instances.values())
        stops.push(this.#leave(server, { forGood: next === undefined, drainMs: 10_000 }));
    }
    this.#definitions.clear();
    for (const [name, definition] of wanted) this.#definitions.set(name, definition);
    await Promise.all(stops);
  }

  /** Starts the server if needed and gives the right to use it, at once where it can. @throws RuntimeError */
  lease(name: string, tenant: Tenant, signal: AbortSignal): Lease | Promise<Lease> {
    const server = this.#instance(name, tenant);
    server.wanted = true;
    this.#asking.set(server, tenant);
    return server.leaseNow(signal) ?? server.lease(signal, tenant.clientId);
  }

  /** The same for a look at it alone, which is no reason to keep it running afterwards. */
  visit(name: string, tenant: Tenant, signal: AbortSignal): Promise<Lease> {
    return this.#instance(name, tenant).lease(signal, tenant.clientId);
  }

  /** An explicit wish to have it run: tries again what had failed. @returns whether it ran already. */
  async start(name: string, tenant: Tenant, signal: AbortSignal): Promise<{ already: boolean }> {
    const server = this.#instance(name, tenant);
    const already = server.state.status === 'ready';
    server.wanted = true;
    this.#asking.set(server, tenant);
    await server.ensure(signal, true);
    return { already };
  }

  /** Stops every instance of a server. @returns whether any ran. */
  async stop(name: string): Promise<{ ran: boolean }> {
    const instances = [...(this.#servers.get(name)?.values() ?? [])];
    const ran = instances.some((server) => server.running);
    await Promise.all(instances.map((server) => server.stop()));
    return { ran };
  }

  /** Stops what runs only because it was looked at. */
  async stopIfUnwanted(name: string, tenant: Tenant): Promise<void> {
    const server = this.#servers.get(name)?.get(this.#key(name, tenant));
    if (server && !server.wanted && server.inFlight === 0) await server.stop({ drainMs: 0 });
  }

  /** Stops every server that nobody uses at this moment. */
  async stopIdle(): Promise<void> {
    const all = [...this.#servers.values()].flatMap((instances) => [...instances.values()]);
    for (const server of all) if (!server.running) server.rest();
    await Promise.all(all.filter((server) => server.idle).map((server) => server.stop()));
  }

  /** A client left: what ran for it alone ends. */
  async release(clientId: string): Promise<void> {
    const stops: Promise<void>[] = [];
    for (const instances of this.#servers.values()) {
      const own = clientId === '' ? undefined : instances.get(clientId);
      if (!own) continue;
      instances.delete(clientId);
      stops.push(this.#leave(own, { forGood: true }));
    }
    await Promise.all(stops);
  }

  state(name: string): ServerState {
    const states = [...(this.#servers.get(name)?.values() ?? [])].map((server) => server.state);
    // With several instances the liveliest stands for all.
    return states.find((state) => state.status === 'ready') ?? states[0] ?? { status: 'stopped' };
  }

  isRunning(name: string): boolean {
    return [...(this.#servers.get(name)?.values() ?? [])].some((server) => server.running);
  }

  /** Those with a process, in the order of their names. */
  running(): ServerSnapshot[] {
    const found: ServerSnapshot[] = [];
    for (const [name, instances] of this.#servers) {
      for (const [key, server] of instances) {
        if (!server.running) continue;
        const { state, pid, inFlight, calls } = server;
        found.push({ server: name, clientId: key === '' ? undefined : key, state, pid, inFlight, calls });
      }
    }
    return found.sort((a, b) => (a.server < b.server ? -1 : 1));
  }

  /** Counts one finished call. */
  countCall(name: string, tenant: Tenant): void {
    const server = this.#servers.get(name)?.get(this.#key(name, tenant));
    if (server) server.calls += 1;
  }

  /** Stops everything at once, without waiting for calls. Nothing starts any more. Idempotent. */
  close(): Promise<void> {
    const all = [...this.#servers.values()].flatMap((instances) => [...instances.values()]);
    this.#closing ??= Promise.all(
      [...all, ...this.#leaving.keys()].map((server) =>
        server.stop({ drainMs: 0, forGood: true, pace: 'brisk' }),
      ),
    ).then(() => {});
    return this.#closing;
  }

  #instance(name: string, tenant: Tenant): ManagedServer {
    if (this.#closing)
      throw new RuntimeError('ENGINE_DRAINING', 'The engine is stopping and starts no servers.');
    const definition = this.#definitions.get(name);
    if (!definition) throw new RuntimeError('SERVER_NOT_FOUND', `There is no server "${name}".`);
    if (definition.disabled) {
      throw new RuntimeError('SERVER_DISABLED', `The server "${name}" is disabled in its definition.`, {
        hint: 'The user can remove "disabled" in the servers file.',
      });
    }
    let instances = this.#servers.get(name);
    if (!instances) {
      instances = new Map();
      this.#servers.set(name, instances);
    }
    const key = this.#key(name, tenant);
    let server = instances.get(key);
    if (!server) {
      const own: ManagedServer = new ManagedServer(
        definition,
        {
          open: async (wanted, signal) => {
            using _turn = await this.#starts.acquire(signal);
            await this.#makeRoom();
            this.#occupying.add(own);
            // Awaited, so that the turn lasts as long as the start.
            return await this.#options.open(wanted, this.#asking.get(own) ?? tenant, signal);
          },
          onState: (state) => {
            if (!own.running) this.#occupying.delete(own);
            this.#options.onState(name, state);
          },
          onReady: (session) => this.#options.onReady(name, session, key === '' ? undefined : key),
          admit: async () => {
            // Never two of one name: the old one may hold what the new one needs.
            await Promise.all(
              [...this.#leaving].flatMap(([old, gone]) => (old.definition.name === name ? [gone] : [])),
            );
          },
        },
        this.#options.logger,
      );
      instances.set(key, own);
      server = own;
    }
    return server;
  }

  #leave(server: ManagedServer, options: Parameters<ManagedServer['stop']>[0]): Promise<void> {
    const gone = server.stop(options).finally(() => this.#leaving.delete(server));
    this.#leaving.set(server, gone);
    return gone;
  }

  #key(name: string, tenant: Tenant): string {
    return this.#definitions.get(name)?.sharing === 'per-client' ? tenant.clientId : '';
  }

  /** Stops the least recently used idle server when the budget is spent. */
  async #makeRoom(): Promise<void> {
    while (this.#occupying.size >= this.#options.maxRunning) {
      const all = [...this.#occupying];
      const idle = all.filter((server) => server.idle);
      const oldest = idle.reduce<ManagedServer | undefined>(
        (best, server) => (best === undefined || server.lastUsedAt < best.lastUsedAt ? server : best),
        undefined,
      );
      if (!oldest && all.some((server) => server.state.status === 'draining')) {
        await sleep(20);
        continue;
      }
      if (!oldest) {
        throw new RuntimeError(
          'SERVER_START_FAILED',
          `All ${this.#options.maxRunning} servers that may run at once are in use.`,
          {
            hint: 'Try again later, shut one down with manage_server, or raise MAX_RUNNING_SERVERS.',
            data: { reason: 'no-room' },
          },
        );
      }
      await oldest.stop({ drainMs: 0 });
    }
  }
}

/** Whether a running process may go on under the new definition. */
function sameLife(before: KnownServer | undefined, after: KnownServer): boolean {
  return (
    before !== undefined &&
    before.sharing === after.sharing &&
    before.maxConcurrency === after.maxConcurrency &&
    before.idleTimeoutMs === after.idleTimeoutMs &&
    before.restart === after.restart &&
    JSON.stringify(before.limits) === JSON.stringify(after.limits)
  );
}
