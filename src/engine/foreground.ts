import type { OperationContext } from '../core/caller.js';
import type { ClientLink } from '../core/client-link.js';
import type { Payload } from '../core/payload.js';
import type { CallToolResult, Progress } from '../core/upstream.js';
import { sleep } from '../lib/abort.js';
import type { Logger } from '../lib/log.js';
import type { OperationInput as In, OperationOutput as Out } from '../operations/table.js';
import type { TaskQueue } from '../tasks/task-queue.js';
import type { RunContext } from '../tasks/task-spec.js';
import { bridgedPart } from '../upstream/bridge.js';
import type { EngineOptions } from './engine-options.js';
import { type Call, type Executor, isRepeatable } from './executor.js';
import { SwitchedLink } from './switched-link.js';
import { taskLink } from './task-link.js';

/** Calls that somebody waits for. One that takes too long for its client goes on as a task. */
export class Foreground {
  readonly #executor: Executor;
  readonly #tasks: TaskQueue;
  readonly #afterMs: number | undefined;
  readonly #logger: Logger;

  constructor(parts: { executor: Executor; tasks: TaskQueue }, options: EngineOptions) {
    this.#executor = parts.executor;
    this.#tasks = parts.tasks;
    this.#afterMs = options.settings.backgroundAfterMs;
    this.#logger = options.logger;
  }

  /** @param confirmed whether a person said yes to it. */
  async run(
    input: In<'execute_tool'>,
    context: OperationContext,
    confirmed: boolean,
  ): Promise<Out<'execute_tool'>> {
    const { principal, clientId, clientName, restriction } = context.caller;
    const call: Call = {
      principal,
      clientId,
      clientName,
      restriction,
      confirmed,
      server: input.server_name,
      tool: input.tool_name,
      arguments: input.arguments,
      timeoutMs: input.timeout * 1000,
    };
    const afterMs = this.#afterMs;
    if (afterMs === undefined)
      return { status: 'completed', result: await this.#executor.run(call, context) };
    const running = new RunningCall(this.#executor, call, context);
    const result = await running.within(afterMs);
    if (result) return { status: 'completed', result };
    try {
      const idempotent = isRepeatable(this.#executor.check(call.server, call.tool, call));
      const capabilities = context.client && bridgedPart(context.client.capabilities);
      const spec = { ...call, priority: input.priority, idempotent, capabilities };
      const task = this.#tasks.adopt(spec, (given, from) => running.handOver(from, taskLink(given, from)));
      return { status: 'running', task_id: task.id, after: afterMs / 1000 };
    } catch (error) {
      // Nothing is lost by it: the caller waits on.
      this.#logger.warn({ error: String(error) }, 'a long call could not become a task');
      return { status: 'completed', result: await running.outcome };
    }
  }
}

/** A call that is made once, whoever waits for it: first its caller, then perhaps the queue. */
class RunningCall {
  readonly outcome: Promise<Payload<CallToolResult>>;
  readonly #controller = new AbortController();
  readonly #caller: AbortSignal;
  readonly #withdraw: () => void;
  readonly #client: SwitchedLink | undefined;
  #report: ((progress: Progress) => void) | undefined;
  #last: Progress | undefined;
  #keepUntil: (() => number) | undefined;

  constructor(executor: Executor, call: Call, context: OperationContext) {
    this.#caller = context.signal;
    this.#report = context.progress;
    this.#client = context.client && new SwitchedLink(context.client);
    this.#withdraw = () => this.#controller.abort(context.signal.reason);
    if (context.signal.aborted) this.#withdraw();
    else context.signal.addEventListener('abort', this.#withdraw, { once: true });
    this.outcome = executor.run(call, {
      ...context,
      signal: this.#controller.signal,
      client: this.#client,
      progress: (progress) => {
        this.#last = progress;
        this.#report?.(progress);
      },
      keepUntil: () => this.#keepUntil?.(),
    });
    this.outcome.catch(() => {}).finally(() => this.#forgetCaller());
  }

  /**
   * The result when it comes within `ms`, else undefined. While the client is asked something the call stays where it
   * can be asked. Rejects as the call does.
   */
  async within(ms: number): Promise<Payload<CallToolResult> | undefined> {
    const over = new AbortController();
    const late = sleep(ms, { signal: over.signal })
      .then(() => this.#client?.answered())
      .then(() => undefined);
    try {
      return await Promise.race([this.outcome, late]);
    } finally {
      over.abort();
    }
  }

  /** From now on the task's cancel and deadline count; that the caller leaves no longer does. */
  handOver(to: RunContext, client: ClientLink): Promise<Payload<CallToolResult>> {
    this.#forgetCaller();
    this.#client?.switchTo(client);
    this.#report = to.progress;
    this.#keepUntil = to.keepUntil;
    if (this.#last) to.progress(this.#last);
    if (to.signal.aborted) this.#controller.abort(to.signal.reason);
    else to.signal.addEventListener('abort', () => this.#controller.abort(to.signal.reason), { once: true });
    return this.outcome;
  }

  #forgetCaller(): void {
    this.#caller.removeEventListener('abort', this.#withdraw);
  }
}
