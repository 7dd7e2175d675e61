import type { CatalogEntry } from '../catalog/entry.js';
import type { OperationContext } from '../core/caller.js';
import { RuntimeError } from '../core/errors.js';
import { sleep } from '../lib/abort.js';
import type { OperationInput as In, OperationOutput as Out } from '../operations/table.js';
import type { Admission } from './admission.js';
import type { Executor } from './executor.js';
import type { Gate } from './gate.js';
import type { Learner } from './learner.js';

/** A client that lists waits for servers that were never seen, but not longer than it would for a slow answer, ms. */
const PATIENCE_MS = 15_000;

/** What belongs to a connection is ours: a client's own handshake must not reach a server that others use too. */
const OURS = new Set(['initialize', 'ping', 'server/discover', 'logging/setLevel', 'subscriptions/listen']);

/** Upstream servers as they are: for clients that see them through us as if they were connected to them. */
export class Forwarding {
  readonly #gate: Gate;
  readonly #admission: Admission;
  readonly #learner: Learner;
  readonly #executor: Executor;

  constructor(parts: { gate: Gate; admission: Admission; learner: Learner; executor: Executor }) {
    this.#gate = parts.gate;
    this.#admission = parts.admission;
    this.#learner = parts.learner;
    this.#executor = parts.executor;
  }

  async exposed(
    input: In<'list_exposed'>,
    { caller, signal }: OperationContext,
  ): Promise<Out<'list_exposed'>> {
    const sight = () => this.#gate.sight(caller);
    const wanted = sight()
      .entries()
      .filter(({ definition }) => !definition.disabled)
      .map((entry) => ({ name: entry.definition.name, pinned: pinnedOf(entry, input) }))
      .filter(({ pinned }) => pinned !== undefined);
    const unknown = wanted.filter(({ name }) => sight().get(name)?.learntAt === undefined);
    if (unknown.length > 0) {
      const learnt = Promise.all(unknown.map(({ name }) => this.#learner.learn(name)));
      await Promise.race([learnt, sleep(PATIENCE_MS, { signal, unref: true })]);
    }
    return {
      servers: wanted.flatMap(({ name, pinned }) => {
        const entry = sight().get(name);
        if (!entry) return [];
        const { identity, tools } = entry;
        return [
          {
            server: name,
            tools: pinned === true ? [...tools] : tools.filter((tool) => pinned?.has(tool.name)),
            whole: pinned === true && sight().isWhole(name),
            capabilities: { ...identity?.capabilities },
            ...(identity?.instructions === undefined ? {} : { instructions: identity.instructions }),
          },
        ];
      }),
    };
  }

  async request(input: In<'forward_request'>, context: OperationContext): Promise<Out<'forward_request'>> {
    const { server_name: server, method, params, timeout } = input;
    if (OURS.has(method) || method.startsWith('notifications/')) {
      throw new RuntimeError('UNSUPPORTED', `The request ${method} is not handed on to servers.`);
    }
    const { caller, signal, progress, meta, client } = context;
    const tool = method === 'tools/call' ? String(params['name']) : undefined;
    if (method === 'tools/list' && !this.#gate.sight(caller).free)
      throw new RuntimeError('UNSUPPORTED', 'What tools there are is told by list_exposed alone.');
    const confirmed =
      tool !== undefined &&
      (await this.#admission.admit({ server, tool, arguments: params['arguments'] }, context));
    const result = await this.#executor.forward(
      {
        principal: caller.principal,
        clientId: caller.clientId,
        clientName: caller.clientName,
        restriction: caller.restriction,
        confirmed,
        server,
        method,
        params,
        timeoutMs: timeout * 1_000,
      },
      { signal, progress, meta, client },
    );
    return { result };
  }
}

/** true: all of it; a set: these tools; undefined: nothing. */
function pinnedOf(entry: CatalogEntry, input: In<'list_exposed'>): true | Set<string> | undefined {
  const { name, pin } = entry.definition;
  const own = input.pins.filter((one) => one.server === name);
  if (input.all || pin === true || own.some((one) => one.tool === undefined)) return true;
  const tools = new Set([...(pin ?? []), ...own.flatMap(({ tool }) => (tool === undefined ? [] : [tool]))]);
  return tools.size > 0 ? tools : undefined;
}
