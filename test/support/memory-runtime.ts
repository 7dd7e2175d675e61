import type { Caller, OperationContext } from '../../src/core/caller.js';
import { RuntimeError } from '../../src/core/errors.js';
import type { RuntimeEvent } from '../../src/core/events.js';
import { Payload } from '../../src/core/payload.js';
import type { CallToolResult } from '../../src/core/upstream.js';
import { Emitter } from '../../src/lib/emitter.js';
import {
  type OperationInput,
  type OperationName,
  type OperationOutput,
  operationNames,
  type RuntimePort,
} from '../../src/operations/table.js';

interface SeenCall {
  readonly caller: Caller;
  readonly tool: string;
  readonly meta: unknown;
  readonly arguments: Readonly<Record<string, unknown>>;
  outcome: 'waiting' | 'done' | 'aborted';
}

export interface MemoryRuntime {
  readonly port: RuntimePort;
  /** Who is attached now. */
  readonly attached: Set<Caller>;
  /** Everybody who ever was. */
  readonly everAttached: Caller[];
  readonly calls: SeenCall[];
  /** Tells who subscribed. */
  emit(event: RuntimeEvent): void;
  /** Lets one `hang` go on. */
  release(key: string): void;
}

/** A result as no schema of today knows it: everything in it must arrive. */
export const oddResult = {
  content: [
    { type: 'hologram', beam: [1, 2, { deep: true }], annotations: { priority: 0.5 }, _meta: { a: 1 } },
    { type: 'text', text: 'known\u2028separator', annotations: { audience: ['user'] }, extra: 'kept' },
    { type: 'resource_link', uri: 'x://y', name: 'n', size: 12, icons: [{ src: 'i' }] },
  ],
  structuredContent: [1, 'two', { three: 3 }],
  _meta: { 'vendor/x': { y: 1 } },
  future: { top: 'level' },
} as unknown as CallToolResult;

const stderrTail = `${'noise\n'.repeat(2000)}TypeError: cannot read the sea\n    at captain`;

type Tools = Record<
  string,
  (
    args: Record<string, unknown>,
    context: OperationContext,
    wait: Wait,
  ) => Promise<CallToolResult | Payload<CallToolResult>>
>;
type Wait = (key: string) => Promise<void>;

const text = (value: string): CallToolResult => ({ content: [{ type: 'text', text: value }] });

const tools: Tools = {
  echo: async (args) => text(String(args['text'])),
  odd: async () => Payload.fromBytes(Buffer.from(JSON.stringify(oddResult, undefined, 2), 'utf8')),
  big: async (args) =>
    Payload.fromBytes(Buffer.from(JSON.stringify(text('x'.repeat(Number(args['bytes'])))))),
  meta: async (_args, context) => ({ ...text('meta'), _meta: { seen: context.meta } }),
  upstream_error: async () => ({ ...text('it said no'), isError: true }),
  steps: async (args, context) => {
    const steps = Number(args['steps']);
    for (let step = 1; step <= steps; step += 1) {
      context.progress?.({ progress: step, total: steps, message: `step ${step}` });
      await new Promise((resolve) => setTimeout(resolve, Number(args['gap_ms'] ?? 5)));
    }
    return text('done');
  },
  hang: async (args, context, wait) => {
    await Promise.race([
      wait(String(args['key'])),
      new Promise((_resolve, reject) => {
        context.signal.addEventListener('abort', () => reject(context.signal.reason), { once: true });
      }),
    ]);
    return text(`released ${String(args['key'])}`);
  },
  flash: async (_args, context) => {
    context.progress?.({ progress: 1 });
    return text('done');
  },
  ask: async (args, context) => {
    const answer = await context.client?.ask('elicitation/create', { message: String(args['question']) });
    return text(JSON.stringify(answer));
  },
  die: async () => {
    throw new RuntimeError(
      'SERVER_DIED',
      'The server "sea" ended while the call was waiting (exit code 3).',
      {
        hint: 'Call it again; it is started anew.',
        data: { exitCode: 3, stderr: stderrTail },
      },
    );
  },
  bug: async () => {
    throw new TypeError('secret-of-the-implementation at /home/somebody/secret.ts');
  },
};

/** A runtime without servers: its operations answer from fixtures, so that the faces can be tested by themselves. */
export function memoryRuntime(): MemoryRuntime {
  const attached = new Set<Caller>();
  const everAttached: Caller[] = [];
  const calls: SeenCall[] = [];
  const events = new Emitter<RuntimeEvent>();
  const gates = new Map<string, PromiseWithResolve>();
  const gate = (key: string) => {
    const known = gates.get(key) ?? withResolve();
    gates.set(key, known);
    return known;
  };

  async function execute(
    input: OperationInput<'execute_tool'>,
    context: OperationContext,
  ): Promise<OperationOutput<'execute_tool'>> {
    const call: SeenCall = {
      caller: context.caller,
      tool: input.tool_name,
      meta: context.meta,
      arguments: input.arguments,
      outcome: 'waiting',
    };
    calls.push(call);
    const run = tools[input.tool_name];
    if (!run) {
      throw new RuntimeError(
        'TOOL_NOT_FOUND',
        `The server "${input.server_name}" has no tool "${input.tool_name}".`,
        {
          hint: 'Did you mean echo?',
        },
      );
    }
    context.signal.addEventListener('abort', () => {
      if (call.outcome === 'waiting') call.outcome = 'aborted';
    });
    const result = await run(input.arguments, context, (key) => gate(key).promise);
    if (call.outcome === 'waiting') call.outcome = 'done';
    return {
      status: 'completed',
      result: result instanceof Payload ? result : Payload.fromValue(result),
    };
  }

  const answers: Partial<
    Record<OperationName, (input: never, context: OperationContext) => Promise<unknown>>
  > = {
    execute_tool: execute as (input: never, context: OperationContext) => Promise<unknown>,
    search_tools: async () => ({
      hits: [{ server: 'fixture', tool: 'echo', title: 'Gives back the text', score: 0.9, running: true }],
    }),
    list_servers: async () => ({
      servers: [{ server: 'fixture', title: 'Fixtures', tools: 8, state: 'ready' }],
      total: 1,
    }),
    list_running_servers: async () => ({ servers: [] }),
    get_content: async () => ({ ref_id: 'r', kind: 'image', mime_type: 'image/png', data: 'AAAA' }),
  };
  const unsupported = async () => {
    throw new RuntimeError('UNSUPPORTED', 'The memory runtime does not do this.');
  };
  const port = {
    ...Object.fromEntries(operationNames.map((name) => [name, answers[name] ?? unsupported])),
    attach: (caller: Caller) => {
      attached.add(caller);
      everAttached.push(caller);
      return () => attached.delete(caller);
    },
    subscribe: (listener: (event: RuntimeEvent) => void) => events.subscribe(listener),
  } as unknown as RuntimePort;
  const emit = (event: RuntimeEvent) => events.emit(event);
  return { port, attached, everAttached, calls, emit, release: (key) => gate(key).resolve() };
}

interface PromiseWithResolve {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
}

function withResolve(): PromiseWithResolve {
  let resolve = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
