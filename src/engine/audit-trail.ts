import type { Catalog } from '../catalog/catalog.js';
import type { Caller } from '../core/caller.js';
import { RuntimeError } from '../core/errors.js';
import type { Payload } from '../core/payload.js';
import type { Entry, Journal } from '../lib/journal/writer.js';
import { oneLine } from '../lib/printable.js';
import type { OperationInput as In, OperationOutput as Out } from '../operations/table.js';
import type { TaskSpec } from '../tasks/task-spec.js';

/** Looked into for `isError`; what is larger is taken for a success. */
const MOST_BYTES = 65_536;
const MAX_NAME = 256;
const MAX_KEYS = 50;

type Facts = Readonly<Record<string, unknown>>;
type Asked = Pick<Caller, 'principal' | 'clientName' | 'clientId'>;

/** Writes down who had what done, when, and how it ended. Of arguments only their shape, of results nothing. */
export class AuditTrail {
  readonly #journal: Journal | undefined;
  readonly #catalog: Catalog;
  readonly #askers = new WeakMap<Asked, { readonly name: string | undefined; readonly facts: Facts }>();
  readonly #names = new WeakMap<object, ReadonlySet<string>>();

  /** @param journal undefined where nothing is to be written. */
  constructor(journal: Journal | undefined, catalog: Catalog) {
    this.#journal = journal;
    this.#catalog = catalog;
  }

  /** A call that somebody makes or hands in. */
  call(input: In<'execute_tool'>, caller: Caller, outcome: Promise<Out<'execute_tool'>>): typeof outcome {
    const { server_name: server, tool_name: tool } = input;
    const facts = () => ({
      server: named(server),
      tool: named(tool),
      args: this.#shape(server, tool, input.arguments),
    });
    return this.#watch('call', caller, outcome, facts, (output) =>
      output.status === 'completed'
        ? { outcome: resultOf(output.result) }
        : { outcome: output.status, task: output.task_id },
    );
  }

  /** What a task did when its turn had come. */
  task<T extends Payload>(spec: TaskSpec, id: string, outcome: Promise<T>): Promise<T> {
    const facts = { server: named(spec.server), tool: named(spec.tool), task: id };
    return this.#watch(
      'task',
      spec,
      outcome,
      () => facts,
      (result) => ({ outcome: resultOf(result) }),
    );
  }

  /** A request that is handed on to a server as it is. */
  request(
    input: In<'forward_request'>,
    caller: Caller,
    outcome: Promise<Out<'forward_request'>>,
  ): typeof outcome {
    const { server_name: server, method, params } = input;
    const isCall = method === 'tools/call';
    const facts = () => {
      if (!isCall) return { server: named(server), method: named(method) };
      const tool = named(params['name']);
      return { server: named(server), tool, args: this.#shape(server, tool, params['arguments']) };
    };
    return this.#watch(isCall ? 'call' : 'request', caller, outcome, facts, ({ result }) => ({
      outcome: isCall ? resultOf(result) : 'ok',
    }));
  }

  /** Something else that changes what runs or what may run. */
  act<T>(event: string, caller: Caller | undefined, facts: Facts, outcome: Promise<T>): Promise<T> {
    return this.#watch(
      event,
      caller,
      outcome,
      () => facts,
      () => ({ outcome: 'ok' }),
    );
  }

  /** Writes what was gathered. Never rejects. */
  async close(): Promise<void> {
    await this.#journal?.flush();
  }

  #watch<T>(
    event: string,
    caller: Asked | undefined,
    outcome: Promise<T>,
    facts: () => Facts,
    ended: (value: T) => Facts,
  ): Promise<T> {
    const journal = this.#journal;
    if (!journal) return outcome;
    const begun = performance.now();
    // How it ended is looked up at once: what waits to be written keeps no result alive.
    const record = (end: Facts) => {
      const at = Date.now();
      const ms = Math.round(performance.now() - begun);
      journal.add((): Entry => {
        const all: Record<string, unknown> = {};
        if (caller) Object.assign(all, this.#who(caller));
        Object.assign(all, facts(), end);
        all['ms'] = ms;
        return { event, at, facts: all };
      });
    };
    outcome.then(
      (value) => record(ended(value)),
      (error: unknown) => record({ outcome: error instanceof RuntimeError ? error.code : 'INTERNAL' }),
    );
    return outcome;
  }

  /** A client says its name once, and then calls thousands of times. */
  #who(caller: Asked): Facts {
    const known = this.#askers.get(caller);
    if (known !== undefined && known.name === caller.clientName) return known.facts;
    const facts = who(caller);
    this.#askers.set(caller, { name: caller.clientName, facts });
    return facts;
  }

  /** Names that the tool's schema knows, with the kind and size of their values. Other names may be values themselves. */
  #shape(server: string, tool: string, args: unknown): Readonly<Record<string, string>> {
    if (typeof args !== 'object' || args === null) return {};
    const known = this.#namesIn(this.#catalog.tool(server, tool)?.inputSchema);
    const shape: Record<string, string> = {};
    let shown = 0;
    let others = 0;
    for (const [name, value] of Object.entries(args)) {
      if (known.has(name) && shown < MAX_KEYS) {
        shape[named(name)] = kindOf(value);
        shown += 1;
      } else others += 1;
    }
    return others > 0 ? { ...shape, '...': `${others} more` } : shape;
  }

  #namesIn(schema: unknown): ReadonlySet<string> {
    if (typeof schema !== 'object' || schema === null) return NO_NAMES;
    let names = this.#names.get(schema);
    if (names === undefined) {
      const { properties } = schema as { properties?: unknown };
      names = new Set(Object.keys((properties ?? {}) as object));
      this.#names.set(schema, names);
    }
    return names;
  }
}

const NO_NAMES: ReadonlySet<string> = new Set();

const who = ({ principal, clientId, clientName }: Asked): Facts => ({
  principal: named(principal),
  client: named(clientName ?? ''),
  client_id: clientId.slice(0, 8),
});

/** Nearly every name is one as it is. */
const PLAIN = /^[\w.:@/-]{0,256}$/;
const named = (name: unknown): string =>
  typeof name === 'string' && PLAIN.test(name) ? name : oneLine(String(name), MAX_NAME);

function kindOf(value: unknown): string {
  if (typeof value === 'string') return `string(${value.length})`;
  if (Array.isArray(value)) return `array(${value.length})`;
  if (value === null) return 'null';
  return typeof value === 'object' ? `object(${Object.keys(value).length})` : typeof value;
}

function resultOf(result: Payload): string {
  if (result.byteLength > MOST_BYTES) return 'ok';
  // Most results say nothing of it, and need not be parsed for that; an escape may spell it.
  const { buffer, byteOffset, byteLength } = result.bytes;
  const json = Buffer.from(buffer, byteOffset, byteLength).toString('latin1');
  if (!json.includes('"isError"') && !json.includes('\\u')) return 'ok';
  try {
    return (result.value as { isError?: unknown } | null)?.isError === true ? 'tool-error' : 'ok';
  } catch {
    return 'ok';
  }
}
