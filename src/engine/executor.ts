import type { Catalog } from '../catalog/catalog.js';
import type { ContentManager } from '../content/content-manager.js';
import type { Asker } from '../core/caller.js';
import type { ClientLink } from '../core/client-link.js';
import { RuntimeError } from '../core/errors.js';
import type { Payload } from '../core/payload.js';
import type { ListedTool } from '../core/server.js';
import type { CallToolResult, Progress, RequestOptions, UpstreamSession } from '../core/upstream.js';
import { sleep, untilAborted } from '../lib/abort.js';
import { notConfirmed } from './confirm.js';
import type { Gate } from './gate.js';
import type { Learner } from './learner.js';
import { LogLevels } from './log-levels.js';
import type { Lease } from './server-hooks.js';
import type { Supervisor } from './supervisor.js';
import { callAsTask, mustBeTask } from './upstream-task.js';

/** How long a call of a known tool waits for the list of a server that was just started, ms. */
const LIST_PATIENCE_MS = 10_000;
/** Principals whose calls are counted; an issuer may name any number. */
const MOST_COUNTED = 1_000;

/** One call of a tool, ready to be run now or later. */
export interface Call extends Asker {
  readonly clientId: string;
  readonly server: string;
  readonly tool: string;
  readonly arguments: Readonly<Record<string, unknown>>;
  readonly timeoutMs: number;
  /** Whether a person said yes to it. */
  readonly confirmed?: boolean | undefined;
}

export interface CallOptions {
  readonly signal: AbortSignal;
  readonly progress?: ((progress: Progress) => void) | undefined;
  readonly meta?: Readonly<Record<string, unknown>> | undefined;
  readonly client?: ClientLink | undefined;
  /** Until when what the result refers to must stay, ms since the epoch; asked when the result is there. */
  readonly keepUntil?: (() => number | undefined) | undefined;
}

/** Any request for a server, as it is. */
export interface Forward extends Omit<Call, 'tool' | 'arguments'> {
  readonly method: string;
  readonly params: Readonly<Record<string, unknown>>;
}

/** Whether the tool itself says that calling it again does no harm; only then may a crash repeat it. */
export const isRepeatable = (tool: ListedTool | undefined): boolean =>
  tool?.annotations?.idempotentHint === true || tool?.annotations?.readOnlyHint === true;

/** Runs tools: the one way of a call to an upstream, whether it is waited for or runs in the background. */
export class Executor {
  readonly #catalog: Catalog;
  readonly #gate: Gate;
  readonly #supervisor: Supervisor;
  readonly #learner: Learner;
  readonly #content: ContentManager;
  readonly #autoStart: boolean;
  readonly #logLevels = new LogLevels();
  readonly #counts = new Map<string, { calls: number; failed: number }>();

  constructor(parts: {
    catalog: Catalog;
    gate: Gate;
    supervisor: Supervisor;
    learner: Learner;
    content: ContentManager;
    autoStart: boolean;
  }) {
    this.#catalog = parts.catalog;
    this.#gate = parts.gate;
    this.#supervisor = parts.supervisor;
    this.#learner = parts.learner;
    this.#content = parts.content;
    this.#autoStart = parts.autoStart;
  }

  /**
   * Refuses what cannot be called, before anything is started or queued. What is not known yet because its server
   * was never learnt is let through: `run` finds out.
   * @param tool undefined for what concerns the server as a whole.
   * @returns the tool as it is known, if it is.
   */
  check(server: string, tool: string | undefined, asker: Asker): ListedTool | undefined {
    const sight = this.#gate.sight(asker);
    const entry = tool === undefined ? sight.requireWhole(server) : sight.require(server);
    if (entry.definition.disabled) {
      throw new RuntimeError('SERVER_DISABLED', `The server "${server}" is disabled in its definition.`, {
        hint: 'The user can remove "disabled" in the servers file.',
      });
    }
    const known = tool === undefined ? undefined : sight.tool(server, tool);
    if (
      tool !== undefined &&
      !known &&
      (entry.learntAt !== undefined ||
        entry.definition.blockedTools.includes(tool) ||
        sight.verdict(server, tool) === 'hidden')
    ) {
      throw sight.toolNotFound(server, tool);
    }
    if (!this.#autoStart && !this.#supervisor.isRunning(server)) {
      throw new RuntimeError(
        'SERVER_NOT_RUNNING',
        `The server "${server}" is stopped, and calls may not start it (AUTO_START=false).`,
        {
          hint: `Call manage_server(server_name="${server}", action="start") first.`,
        },
      );
    }
    return known;
  }

  /** Calls the tool, starting its server if needed. The time-out counts from when the server is ready. */
  async run(call: Call, options: CallOptions): Promise<Payload<CallToolResult>> {
    const count = this.#count(call.principal);
    let lease: Lease | undefined;
    // One function and as few waits as there must be, all by hand: each of them is kept for every call that runs.
    try {
      this.check(call.server, call.tool, call);
      const leasing = this.#lease(call, options);
      lease = leasing instanceof Promise ? await leasing : leasing;
      const { session } = lease;
      if (!this.#learner.hasListed(session)) await this.#listed(call, call.tool, session, options);
      const tool = this.#mustExist(call, call.tool);
      this.#mustBeConfirmed(call, call.tool);
      const request = this.#requestOptions(call, options);
      const result = await (mustBeTask(tool)
        ? callAsTask(session, call.tool, call.arguments, request)
        : session.callTool(call.tool, call.arguments, request));
      this.#supervisor.countCall(call.server, call);
      if (this.#content.passes(result)) return result;
      return await this.#content.offload(result, {
        principal: call.principal,
        server: call.server,
        keepUntil: options.keepUntil?.(),
      });
    } catch (error) {
      count.failed += 1;
      throw error;
    } finally {
      lease?.[Symbol.dispose]();
    }
  }

  /** Sends any request to a server, under the same rules; its result as it came. */
  async forward(request: Forward, options: CallOptions): Promise<Payload> {
    const { server, method, params } = request;
    const count = this.#count(request.principal);
    try {
      const tool = method === 'tools/call' ? nameOf(params) : undefined;
      this.check(server, tool, request);
      const leasing = this.#lease(request, options);
      using lease = leasing instanceof Promise ? await leasing : leasing;
      if (tool !== undefined) {
        if (!this.#learner.hasListed(lease.session))
          await this.#listed(request, tool, lease.session, options);
        this.#mustExist(request, tool);
        this.#mustBeConfirmed(request, tool);
      }
      const result = await lease.session.request(method, params, this.#requestOptions(request, options));
      this.#supervisor.countCall(server, request);
      return result;
    } catch (error) {
      count.failed += 1;
      throw error;
    }
  }

  /** At once where the server runs, has room, and knows the log level: as a promise only where it must be. */
  #lease(call: Omit<Forward, 'method' | 'params'>, { client, signal }: CallOptions): Lease | Promise<Lease> {
    const lease = this.#supervisor.lease(call.server, { clientId: call.clientId, client }, signal);
    if (lease instanceof Promise) return lease.then((given) => this.#levelled(given, client, signal));
    return this.#levelled(lease, client, signal);
  }

  #levelled(lease: Lease, client: ClientLink | undefined, signal: AbortSignal): Lease | Promise<Lease> {
    return this.#logLevels.apply(lease.session, client, signal)?.then(() => lease) ?? lease;
  }

  /** Of this principal alone: how much others do is theirs. */
  counts(principal: string): { readonly calls: number; readonly failed: number } {
    return this.#counts.get(principal) ?? { calls: 0, failed: 0 };
  }

  /** Counts one more. @returns where to count that it failed. */
  #count(principal: string): { calls: number; failed: number } {
    const known = this.#counts.get(principal);
    const count = known ?? { calls: 0, failed: 0 };
    if (!known) {
      const [oldest] = this.#counts.keys();
      if (oldest !== undefined && this.#counts.size >= MOST_COUNTED) this.#counts.delete(oldest);
      this.#counts.set(principal, count);
    }
    count.calls += 1;
    return count;
  }

  /**
   * A server that was just started may offer something else than before: nothing is called until it has said what. What
   * is known already may be called when it does not say.
   */
  async #listed(
    call: Pick<Call, 'server' | 'timeoutMs' | keyof Asker>,
    tool: string,
    session: UpstreamSession,
    { signal }: CallOptions,
  ): Promise<void> {
    const list = untilAborted(this.#learner.refresh(call.server, session), signal);
    if (this.#gate.sight(call).tool(call.server, tool) === undefined) {
      await list;
      return;
    }
    const patience = new AbortController();
    const waited = sleep(Math.min(call.timeoutMs, LIST_PATIENCE_MS), { signal: patience.signal });
    try {
      await Promise.race([list, waited]);
    } catch {
      // The log says why.
    } finally {
      patience.abort();
    }
    signal.throwIfAborted();
  }

  #mustExist(call: Pick<Call, 'server' | keyof Asker>, tool: string): ListedTool {
    const sight = this.#gate.sight(call);
    const found = sight.tool(call.server, tool);
    if (!found) throw sight.toolNotFound(call.server, tool);
    return found;
  }

  /** It may have become one that is asked about since it was let in. */
  #mustBeConfirmed(call: Pick<Call, 'server' | 'confirmed' | keyof Asker>, tool: string): void {
    if (call.confirmed || this.#gate.sight(call).verdict(call.server, tool) !== 'confirm') return;
    throw notConfirmed({ server: call.server, tool }, 'and nobody was asked', 'not-asked');
  }

  /** Where its definition says so, progress gives a call its time again, up to a hard total. */
  #requestOptions(
    { server, timeoutMs }: { server: string; timeoutMs: number },
    { signal, progress, meta, client }: CallOptions,
  ): RequestOptions {
    const { resetTimeoutOnProgress, maxTimeoutMs = timeoutMs } = this.#catalog.require(server).definition;
    const total = resetTimeoutOnProgress ? Math.max(timeoutMs, maxTimeoutMs) : undefined;
    return { signal, timeoutMs, onProgress: progress, meta, client, maxTimeoutMs: total };
  }
}

/** What is checked must be what is sent. @throws RuntimeError INVALID_ARGUMENTS */
function nameOf({ name }: Readonly<Record<string, unknown>>): string {
  if (typeof name === 'string') return name;
  throw new RuntimeError('INVALID_ARGUMENTS', 'The name of a tool is a text.');
}
