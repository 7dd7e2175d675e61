import type { Catalog } from '../catalog/catalog.js';
import type { PolicyFile } from '../config/policy-file.js';
import type { ServersFile } from '../config/servers-file.js';
import type { Caller, OperationContext } from '../core/caller.js';
import { RuntimeError } from '../core/errors.js';
import type { RuntimeEvent } from '../core/events.js';
import { Emitter } from '../lib/emitter.js';
import { ensurePrivateDir } from '../lib/private-dir.js';
import type { OperationInput as In, OperationOutput as Out, RuntimePort } from '../operations/table.js';
import { assemble, type Parts, takeDown } from './assemble.js';
import { Background } from './background.js';
import { clientView } from './client-view.js';
import { Clients } from './clients.js';
import type { EngineOptions } from './engine-options.js';
import { Foreground } from './foreground.js';
import { reviewServer } from './index-starts.js';
import { manageServer } from './manage-server.js';
import { withOffers } from './offers.js';
import { Reading } from './reading.js';
import * as views from './views.js';

/**
 * The owner of upstream servers, tasks, content and catalog. Faces see it as a `RuntimePort`. Make one with
 * `RuntimeEngine.start`, end it with `close`.
 */
export class RuntimeEngine implements RuntimePort {
  readonly #options: EngineOptions;
  readonly #events: Emitter<RuntimeEvent>;
  readonly #clients = new Clients();
  readonly #since = new Date();
  readonly #parts: Parts;
  readonly #background: Background;
  readonly #foreground: Foreground;
  readonly #reading: Reading;
  #closing: Promise<void> | undefined;

  private constructor(options: EngineOptions, events: Emitter<RuntimeEvent>, parts: Parts) {
    this.#options = options;
    this.#events = events;
    this.#parts = parts;
    this.#background = new Background(parts.tasks, parts.executor);
    this.#foreground = new Foreground(parts, options);
    this.#reading = new Reading(parts);
  }

  /**
   * Opens the stores and makes the servers known; starts none of them.
   * @throws RuntimeError HOME_UNUSABLE or STORAGE_FAILED.
   */
  static async start(options: EngineOptions): Promise<RuntimeEngine> {
    await ensurePrivateDir(options.settings.home);
    await ensurePrivateDir(options.stateDirectory);
    const events = new Emitter<RuntimeEvent>((error) =>
      options.logger.error({ error: String(error) }, 'a listener failed'),
    );
    const parts = await assemble(options, events);
    const engine = new RuntimeEngine(options, events, parts);
    if (options.policy) engine.applyPolicy(options.policy);
    await engine.applyServers(options.servers);
    parts.tasks.recover();
    return engine;
  }

  /** Takes a (changed) servers file: what went or changed is drained and stopped, the rest runs on undisturbed. */
  applyServers(file: ServersFile): Promise<void> {
    return this.#parts.roster.apply(file);
  }

  /** Takes a (changed) policy file: it counts from now on, also for what waits in the queue. */
  applyPolicy(file: PolicyFile): void {
    this.#parts.roster.applyPolicy(file);
  }

  /** What is known of servers and tools, for a host that serves it in another form. Only the engine writes to it. */
  get catalog(): Catalog {
    return this.#parts.catalog;
  }

  /** Learns, in the background, every server that is not known yet, and keeps in step with the remote index. */
  learnInBackground(): void {
    this.#parts.library.start();
    this.#parts.discovery.start();
    void this.#parts.learning.missing();
  }

  attach(caller: Caller): () => void {
    this.#clients.attach(caller);
    return () => {
      this.#clients.detach(caller.clientId);
      void this.#parts.supervisor.release(caller.clientId);
    };
  }

  subscribe(listener: (event: RuntimeEvent) => void): () => void {
    return this.#events.subscribe(listener);
  }

  /** Whether nobody is connected and nothing runs or waits. One that ends is not. */
  get idle(): boolean {
    if (this.#closing) return false;
    const { tasks, supervisor } = this.#parts;
    const { queued = 0, running = 0 } = tasks.statistics();
    return (
      this.#clients.list().length === 0 &&
      queued + running === 0 &&
      supervisor.running().every((one) => one.inFlight === 0)
    );
  }

  /** Nobody is there: what is not in use need not run. It starts again when it is wanted. */
  async stopUnusedServers(): Promise<void> {
    await this.#parts.supervisor.stopIdle();
  }

  /** Ends these, after their short calls: what they were started with has changed. They start again when wanted. */
  async stopServers(names: readonly string[]): Promise<void> {
    await Promise.allSettled(names.map((name) => this.#parts.supervisor.stop(name)));
  }

  async search_tools(input: In<'search_tools'>, { caller }: OperationContext): Promise<Out<'search_tools'>> {
    return views.searchTools(this.#sight(caller), input);
  }

  async search_servers(
    input: In<'search_servers'>,
    { caller }: OperationContext,
  ): Promise<Out<'search_servers'>> {
    return views.searchServers(this.#sight(caller), input);
  }

  async get_server_info(
    input: In<'get_server_info'>,
    context: OperationContext,
  ): Promise<Out<'get_server_info'>> {
    return withOffers(this.#parts, views.getServerInfo(this.#sight(context.caller), input), context);
  }

  async get_server_tools(
    input: In<'get_server_tools'>,
    { caller }: OperationContext,
  ): Promise<Out<'get_server_tools'>> {
    return views.getServerTools(this.#sight(caller), input);
  }

  async get_tool_details(
    input: In<'get_tool_details'>,
    { caller }: OperationContext,
  ): Promise<Out<'get_tool_details'>> {
    return views.getToolDetails(this.#parts, input, caller);
  }

  async list_servers(input: In<'list_servers'>, { caller }: OperationContext): Promise<Out<'list_servers'>> {
    return views.listServers(this.#sight(caller), input, this.#parts.roster.problems(caller));
  }

  async manage_server(input: In<'manage_server'>, context: OperationContext): Promise<Out<'manage_server'>> {
    const { server_name: server, action } = input;
    return this.#parts.audit.act(
      action,
      context.caller,
      { server },
      manageServer(this.#parts, input, context),
    );
  }

  async list_running_servers(
    _input: In<'list_running_servers'>,
    { caller }: Pick<OperationContext, 'caller'>,
  ): Promise<Out<'list_running_servers'>> {
    const sight = this.#parts.gate.sight(caller);
    const running = this.#parts.supervisor.running().filter(({ server }) => sight.get(server));
    const memory = await Promise.all(
      running.map(({ pid }) => (pid === undefined ? undefined : this.#options.familyMemory(pid))),
    );
    return { servers: running.map((one, index) => views.runningServer(one, memory[index])) };
  }

  execute_tool(input: In<'execute_tool'>, context: OperationContext): Promise<Out<'execute_tool'>> {
    if (this.#closing) return Promise.reject(closing());
    const outcome = this.#clients.during(context, (during) => {
      const { server_name: server, tool_name: tool } = input;
      const admitted = this.#parts.admission.admit({ server, tool, arguments: input.arguments }, during);
      const run = (confirmed: boolean) =>
        input.in_background
          ? this.#background.submit(input, during, confirmed)
          : this.#foreground.run(input, during, confirmed);
      return admitted instanceof Promise ? admitted.then(run) : run(admitted);
    });
    return this.#parts.audit.call(input, context.caller, outcome);
  }

  async list_exposed(input: In<'list_exposed'>, context: OperationContext): Promise<Out<'list_exposed'>> {
    return this.#parts.forwarding.exposed(input, context);
  }

  async forward_request(
    input: In<'forward_request'>,
    context: OperationContext,
  ): Promise<Out<'forward_request'>> {
    this.#refuseWhenClosing();
    const outcome = this.#clients.during(context, (during) => this.#parts.forwarding.request(input, during));
    return this.#parts.audit.request(input, context.caller, outcome);
  }

  async roots_changed(_input: In<'roots_changed'>, context: OperationContext): Promise<Out<'roots_changed'>> {
    return { told: await this.#parts.roots.changed(context) };
  }

  async poll_task_result(
    input: In<'poll_task_result'>,
    context: OperationContext,
  ): Promise<Out<'poll_task_result'>> {
    return this.#clients.during(context, ({ caller, signal }) =>
      this.#background.poll(input, caller, signal),
    );
  }

  async cancel_task(input: In<'cancel_task'>, { caller }: OperationContext): Promise<Out<'cancel_task'>> {
    return this.#background.cancel(input, caller);
  }

  async list_tasks(input: In<'list_tasks'>, { caller }: OperationContext): Promise<Out<'list_tasks'>> {
    return this.#background.list(input, caller);
  }

  async get_content(input: In<'get_content'>, context: OperationContext): Promise<Out<'get_content'>> {
    return this.#reading.run(input, context);
  }

  async get_statistics(
    _input: In<'get_statistics'>,
    { caller }: OperationContext,
  ): Promise<Out<'get_statistics'>> {
    const { gate, supervisor, executor, content, learning } = this.#parts;
    const sight = gate.sight(caller);
    const { items, bytes } = content.statistics(caller.principal);
    const { calls, failed } = executor.counts(caller.principal);
    return {
      servers: sight.entries().length,
      tools: sight.toolCount,
      running: supervisor.running().filter(({ server }) => sight.get(server)).length,
      calls,
      failed_calls: failed,
      tasks: views.taskCounts(this.#parts.tasks.statistics(caller.principal)),
      content: { items, bytes },
      learning: { waiting: learning.pending, failed: learning.failed },
    };
  }

  async learn_servers(input: In<'learn_servers'>, context: OperationContext): Promise<Out<'learn_servers'>> {
    return this.#parts.learning.run(input, context);
  }

  async review_server(input: In<'review_server'>, context: OperationContext): Promise<Out<'review_server'>> {
    return reviewServer(this.#parts, input, context.signal);
  }

  async get_status(_input: In<'get_status'>, context: OperationContext): Promise<Out<'get_status'>> {
    const { servers } = await this.list_running_servers({}, context);
    return {
      engine: {
        pid: this.#options.pid,
        version: this.#options.version,
        since: this.#since.toISOString(),
        home: this.#options.settings.home,
        mode: this.#options.mode,
        memory_bytes: this.#options.memory(),
        draining: this.#closing !== undefined,
      },
      clients: this.#clients.list().map(clientView),
      servers,
      tasks: views.taskCounts(this.#parts.tasks.statistics()),
    };
  }

  /**
   * Ends everything, in the reverse order of its making: no new work, then tasks, servers, content, stores.
   * Resolves when no process of an upstream is left. Idempotent.
   */
  close(): Promise<void> {
    this.#closing ??= takeDown(this.#parts);
    return this.#closing;
  }

  #sight(caller: Caller): views.Sight {
    const { gate, supervisor, learning } = this.#parts;
    return {
      catalog: gate.sight(caller),
      state: (server) => supervisor.state(server),
      isRunning: (server) => supervisor.isRunning(server),
      learning: learning.pending,
    };
  }

  #refuseWhenClosing(): void {
    if (this.#closing) throw closing();
  }
}

const closing = () => new RuntimeError('ENGINE_DRAINING', 'The engine is stopping and takes no new calls.');
