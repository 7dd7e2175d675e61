import { RuntimeError } from '../core/errors.js';
import type { Payload } from '../core/payload.js';
import type { ListedTool } from '../core/server.js';
import type { CallToolResult, RequestOptions, UpstreamSession } from '../core/upstream.js';
import { sleep } from '../lib/abort.js';

const MIN_POLL_MS = 100;
const MAX_POLL_MS = 5_000;
const CANCEL_MS = 5_000;
/** Beyond the time of the call, so that its server keeps the result until it is fetched. */
const SPARE_MS = 60_000;

type Task = { readonly taskId?: unknown; readonly status?: unknown; readonly [key: string]: unknown };

/** Whether its server runs the tool as a task of 2025-11-25 only. */
export const mustBeTask = (tool: ListedTool | undefined): boolean =>
  (tool?.['execution'] as { taskSupport?: unknown } | undefined)?.taskSupport === 'required';

/**
 * A call of such a tool, as if it were an ordinary one: created, watched until it has ended, its result fetched. The
 * time-out covers all of it; when it is over, or the caller leaves, the server is told to cancel the task.
 */
export async function callAsTask(
  session: UpstreamSession,
  tool: string,
  args: Readonly<Record<string, unknown>>,
  options: RequestOptions,
): Promise<Payload<CallToolResult>> {
  const until = performance.now() + (options.maxTimeoutMs ?? options.timeoutMs);
  const left = (): RequestOptions => {
    const timeoutMs = Math.ceil(until - performance.now());
    if (timeoutMs <= 0) throw outOfTime(tool, options);
    return { ...options, onProgress: undefined, maxTimeoutMs: undefined, timeoutMs };
  };
  const asked = { name: tool, arguments: args, task: { ttl: left().timeoutMs + SPARE_MS } };
  const answer = await session.request('tools/call', asked, left());
  const task = (answer.value as { task?: Task } | null)?.task;
  // A server that answers at once has nothing to be polled for.
  if (typeof task?.taskId !== 'string') return answer as Payload<CallToolResult>;
  const { taskId } = task;
  try {
    await watched(session, task, left, options);
    return (await session.request('tasks/result', { taskId }, left())) as Payload<CallToolResult>;
  } catch (error) {
    const gone = options.signal.aborted || (error instanceof RuntimeError && error.code === 'TIMEOUT');
    if (gone && session.isOpen) {
      const signal = AbortSignal.timeout(CANCEL_MS);
      session.request('tasks/cancel', { taskId }, { signal, timeoutMs: CANCEL_MS }).catch(() => {
        // It has ended meanwhile, or its server cannot cancel.
      });
    }
    throw error;
  }
}

/** Until the task has ended, or wants something from the client: `tasks/result` brings that. */
async function watched(
  session: UpstreamSession,
  created: Task,
  left: () => RequestOptions,
  { onProgress, signal }: RequestOptions,
): Promise<void> {
  let task = created;
  let said: unknown;
  for (let step = 1; task.status === 'working'; ) {
    if (typeof task['statusMessage'] === 'string' && task['statusMessage'] !== said) {
      said = task['statusMessage'];
      onProgress?.({ progress: step, message: task['statusMessage'] });
      step += 1;
    }
    const interval = Number(task['pollInterval'] ?? 500);
    const wait = Math.min(MAX_POLL_MS, Math.max(MIN_POLL_MS, Number.isFinite(interval) ? interval : 500));
    await sleep(Math.min(wait, left().timeoutMs), { signal });
    task = (await session.request('tasks/get', { taskId: created.taskId }, left())).value as Task;
  }
}

const outOfTime = (tool: string, { timeoutMs }: RequestOptions) =>
  new RuntimeError(
    'TIMEOUT',
    `The task of ${tool} did not end within ${timeoutMs} ms. It may have been executed.`,
    {
      hint: 'Check what the call did before repeating it, or allow it more time.',
    },
  );
