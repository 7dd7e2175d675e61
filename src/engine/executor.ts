import type { Catalog } from '../catalog/catalog.js';
import type { ContentManager } from '../content/content-manager.js';
import { RuntimeError } from '../core/errors.js';
import type { Payload } from '../core/payload.js';
import type { ListedTool } from '../core/server.js';
import type { CallToolResult, Progress } from '../core/upstream.js';
import type { Learner } from './learner.js';
import type { Supervisor } from './supervisor.js';

/** One call of a tool, ready to be run now or later. */
export interface Call {
  readonly principal: string;
  readonly clientId: string;
  readonly server: string;
  readonly tool: string;
  readonly arguments: Readonly<Record<string, unknown>>;
  readonly timeoutMs: number;
}

export interface CallOptions {
  readonly signal: AbortSignal;
  readonly progress?: ((progress: Progress) => void) | undefined;
  readonly meta?: Readonly<Record<string, unknown>> | undefined;
  /** Until when what the result refers to must stay, ms since the epoch; asked when the result is there. */
  readonly keepUntil?: (() => number | undefined) | undefined;
}

/** Whether the tool itself says that calling it again does no harm; only then may a crash repeat it. */
export const isRepeatable = (tool: ListedTool | undefined): boolean =>
  tool?.annotations?.idempotentHint === true || tool?.annotations?.readOnlyHint === true;

/** Runs tools: the one way of a call to an upstream, whether it is waited for or runs in the background. */
export class Executor {
  readonly #catalog: Catalog;
  readonly #supervisor: Supervisor;
  readonly #learner: Learner;
  readonly #content: ContentManager;
  readonly #autoStart: boolean;
  calls = 0;
  failedCalls = 0;

  constructor(parts: {
    catalog: Catalog;
    supervisor: Supervisor;
    learner: Learner;
    content: ContentManager;
    autoStart: boolean;
  }) {
    this.#catalog = parts.catalog;
    this.#supervisor = parts.supervisor;
    this.#learner = parts.learner;
    this.#content = parts.content;
    this.#autoStart = parts.autoStart;
  }

  /**
   * Refuses what cannot be called, before anything is started or queued. What is not known yet because its server
   * was never learnt is let through: `run` finds out.
   * @returns the tool as it is known, if it is.
   */
  check(server: string, tool: string): ListedTool | undefined {
    const entry = this.#catalog.require(server);
    if (entry.definition.disabled) {
      throw new RuntimeError('SERVER_DISABLED', `The server "${server}" is disabled in its definition.`, {
        hint: 'The user can remove "disabled" in the servers file.',
      });
    }
    const known = this.#catalog.tool(server, tool);
    if (!known && (entry.learntAt !== undefined || entry.definition.blockedTools.includes(tool))) {
      throw this.#catalog.toolNotFound(server, tool);
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
    this.calls += 1;
    try {
      const known = this.check(call.server, call.tool);
      using lease = await this.#supervisor.lease(call.server, { clientId: call.clientId }, options.signal);
      if (!known) await this.#mustExist(call, lease.session);
      const result = await lease.session.callTool(call.tool, call.arguments, {
        signal: options.signal,
        timeoutMs: call.timeoutMs,
        onProgress: options.progress,
        meta: options.meta,
      });
      this.#supervisor.countCall(call.server, call);
      return await this.#content.offload(result, {
        principal: call.principal,
        keepUntil: options.keepUntil?.(),
      });
    } catch (error) {
      this.failedCalls += 1;
      throw error;
    }
  }

  async #mustExist(call: Call, session: Parameters<Learner['refresh']>[1]): Promise<void> {
    await this.#learner.refresh(call.server, session);
    if (!this.#catalog.tool(call.server, call.tool)) throw this.#catalog.toolNotFound(call.server, call.tool);
  }
}
