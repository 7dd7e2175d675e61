import type { Result } from '@modelcontextprotocol/server';
import type { OperationContext } from '../core/caller.js';
import { RuntimeError } from '../core/errors.js';
import type { Payload } from '../core/payload.js';
import type { CallToolResult } from '../core/upstream.js';
import { executeTool } from '../operations/execution.js';
import { invoke } from '../operations/invoke.js';
import type { OperationOutput as Out, Runtime } from '../operations/table.js';
import { errorResult, unexpected } from './error-result.js';
import { type Era, TASKS_EXTENSION } from './introduction.js';
import { INTERNAL_ERROR, INVALID_PARAMS, METHOD_NOT_FOUND, ProtocolError } from './protocol-error.js';
import { ROUTER_NAME, unwrapRouterCall } from './router.js';
import { askUntilEnded, ENDED, RELATED_TASK } from './task-questions.js';

// MCP's own tasks over the queue, for clients that know them: `tasks/*` of 2025-11-25, where the client asks for a task,
// and the extension of 2026-07-28, where the server decides. Both show the same tasks as `poll_task_result`.

type Params = Readonly<Record<string, unknown>>;
type Answer = Result | Payload<CallToolResult>;
type Poll = Out<'poll_task_result'>;

const METHODS: Readonly<Record<Era, readonly string[]>> = {
  legacy: ['tasks/get', 'tasks/result', 'tasks/list', 'tasks/cancel'],
  modern: ['tasks/get', 'tasks/update', 'tasks/cancel'],
};
const POLL_MS = 1_000;
const LIST_SIZE = 50;
const MISSING_CAPABILITY = -32_021;

/** Every method of either era. */
export const TASK_METHODS: readonly string[] = [...new Set([...METHODS.legacy, ...METHODS.modern])];

/** Tool definitions of 2025-11-25: the one that runs tools may be called as a task. */
export const withTaskSupport = <T extends { readonly name: string }>(
  era: Era,
  tools: readonly T[],
): readonly T[] =>
  tools.map((tool) =>
    era === 'legacy' && (tool.name === executeTool.name || tool.name === ROUTER_NAME)
      ? { ...tool, execution: { taskSupport: 'optional' } }
      : tool,
  );

/**
 * A `tools/call` whose answer is, or may become, a task.
 * @returns undefined for every other call. Rejects with a ProtocolError when a task is asked for where there can be none.
 */
export function callAsTask(
  runtime: Runtime,
  era: Era,
  params: Params,
  context: OperationContext,
): Promise<Answer> | undefined {
  const asked = era === 'legacy' && typeof params['task'] === 'object' && params['task'] !== null;
  if (!asked && (era === 'legacy' || !declaresTasks(context))) return undefined;
  const args = executeArguments(params);
  if (args === undefined && !asked) return undefined;
  return runAsTask(runtime, era, { args, asked }, context);
}

async function runAsTask(
  runtime: Runtime,
  era: Era,
  { args, asked }: { args: Params | undefined; asked: boolean },
  context: OperationContext,
): Promise<Answer> {
  if (args === undefined)
    throw new ProtocolError(METHOD_NOT_FOUND, 'Only execute_tool can be called as a task.');
  try {
    const input = asked ? { ...args, in_background: true } : args;
    const output = await invoke(runtime, 'execute_tool', input, context);
    if (output.status === 'completed') return output.result;
    const poll = await invoke(runtime, 'poll_task_result', { task_id: output.task_id }, context);
    if (era === 'modern') return { resultType: 'task', ...shownTask(era, poll) };
    const { content } = executeTool.present(output) as CallToolResult;
    const _meta = { 'io.modelcontextprotocol/model-immediate-response': content?.[0]?.['text'] };
    return { task: shownTask(era, poll), _meta };
  } catch (error) {
    const known = unexpected(error);
    if (era === 'modern') return errorResult(known) as Answer;
    throw new ProtocolError(known.code === 'INTERNAL' ? INTERNAL_ERROR : INVALID_PARAMS, known.message, {
      code: known.code,
      ...(known.hint === undefined ? {} : { hint: known.hint }),
    });
  }
}

/** Answers one of `TASK_METHODS`. @throws ProtocolError, -32602 for a task that is not known. */
export async function answerTask(
  runtime: Runtime,
  era: Era,
  method: string,
  params: Params,
  context: OperationContext,
): Promise<Answer> {
  if (!METHODS[era].includes(method)) throw new ProtocolError(METHOD_NOT_FOUND, 'Method not found');
  if (era === 'modern' && !declaresTasks(context)) {
    throw new ProtocolError(MISSING_CAPABILITY, 'Missing required client capability', {
      requiredCapabilities: { extensions: { [TASKS_EXTENSION]: {} } },
    });
  }
  if (method === 'tasks/list') return listTasks(runtime, params, context);
  const task_id = params['taskId'];
  if (typeof task_id !== 'string') throw new ProtocolError(INVALID_PARAMS, 'taskId must be a string.');
  const poll = async (wait = 0) =>
    known(await invoke(runtime, 'poll_task_result', { task_id, wait }, context));
  const task = await poll();
  switch (method) {
    case 'tasks/result':
      return resultOf(known(await askUntilEnded(runtime, task, context)));
    case 'tasks/cancel':
      if (era === 'legacy' && ENDED.has(task.status)) {
        throw new ProtocolError(INVALID_PARAMS, `The task has ended: ${task.status}.`);
      }
      await invoke(runtime, 'cancel_task', { task_id }, context);
      return era === 'legacy' ? shownTask(era, await poll()) : {};
    case 'tasks/update': {
      // The SDK takes the answers out of the parameters, as it does for rounds.
      const answers = context.client?.round?.inputResponses ?? params['inputResponses'];
      await invoke(runtime, 'poll_task_result', { task_id, answers }, context).catch((error: unknown) => {
        throw new ProtocolError(INVALID_PARAMS, unexpected(error).message);
      });
      return {};
    }
    default:
      return era === 'modern' ? detailed(task) : shownTask(era, task);
  }
}

async function listTasks(runtime: Runtime, params: Params, context: OperationContext): Promise<Answer> {
  const cursor = params['cursor'];
  const offset = cursor === undefined ? 0 : Number(cursor);
  if (!Number.isSafeInteger(offset) || offset < 0) throw new ProtocolError(INVALID_PARAMS, 'Unknown cursor');
  const page = await invoke(runtime, 'list_tasks', { limit: LIST_SIZE, offset, all: true }, context);
  return {
    tasks: page.tasks.map((task) => ({
      taskId: task.task_id,
      status: ENDED.has(task.status) || task.status === 'input_required' ? task.status : 'working',
      statusMessage: `${task.server} / ${task.tool}`,
      createdAt: task.created,
      lastUpdatedAt: task.updated ?? task.created,
      ttl: null,
    })),
    ...(page.next_offset === undefined ? {} : { nextCursor: String(page.next_offset) }),
  };
}

/** The arguments of `execute_tool`, called by its name or through the router. */
function executeArguments(params: Params): Readonly<Record<string, unknown>> | undefined {
  const { name, arguments: args } = params;
  if (name === executeTool.name) return (args ?? {}) as Readonly<Record<string, unknown>>;
  if (name !== ROUTER_NAME) return undefined;
  const operation = (args as { operation?: unknown } | undefined)?.operation;
  if (operation !== executeTool.name) return undefined;
  return unwrapRouterCall(args).args as Readonly<Record<string, unknown>>;
}

function declaresTasks({ client }: OperationContext): boolean {
  const extensions = client?.capabilities['extensions'];
  return typeof extensions === 'object' && extensions !== null && TASKS_EXTENSION in extensions;
}

function known(task: Poll): Poll {
  if (task.status === 'expired') throw new ProtocolError(INVALID_PARAMS, 'The task has expired.');
  if (task.status === 'not_found') throw new ProtocolError(INVALID_PARAMS, 'The task is not known.');
  return task;
}

/** What the call itself would have answered. */
function resultOf(task: Poll): Answer {
  const _meta = { [RELATED_TASK]: { taskId: task.task_id } };
  const result = task.result?.value ?? failure(task);
  return { ...result, _meta: { ...(result['_meta'] as object | undefined), ..._meta } };
}

const failure = (task: Poll): CallToolResult =>
  errorResult(
    task.error === undefined
      ? new RuntimeError('CANCELLED', 'The task was cancelled.')
      : new RuntimeError(task.error.code as RuntimeError['code'], task.error.message, {
          hint: task.error.hint,
          data: task.error.data,
          retryable: task.error.retryable,
        }),
  );

/** Of 2026-07-28: the task with what it came to. A tool's failure is a result there, never a failed task. */
function detailed(task: Poll): Answer {
  const shown = shownTask('modern', task);
  if (task.status === 'completed') return { ...shown, result: task.result?.value ?? {} };
  if (task.status === 'failed') return { ...shown, result: failure(task) };
  if (task.status === 'input_required') return { ...shown, inputRequests: task.questions };
  return shown;
}

function shownTask(era: Era, task: Poll): Readonly<Record<string, unknown>> {
  const { created = 0, updated = 0, expires = 0 } = task.times ?? {};
  const ttl = expires - created;
  const message = statusMessage(task);
  return {
    taskId: task.task_id,
    status: statusOf(era, task),
    ...(message === undefined ? {} : { statusMessage: message }),
    createdAt: new Date(created).toISOString(),
    lastUpdatedAt: new Date(updated).toISOString(),
    ...(era === 'modern' ? { ttlMs: ttl, pollIntervalMs: POLL_MS } : { ttl, pollInterval: POLL_MS }),
  };
}

function statusOf(era: Era, task: Poll): string {
  if (task.status === 'input_required') return task.status;
  if (!ENDED.has(task.status)) return 'working';
  if (era === 'modern') return task.status === 'failed' ? 'completed' : task.status;
  return task.status === 'completed' && task.result?.value.isError === true ? 'failed' : task.status;
}

function statusMessage(task: Poll): string | undefined {
  if (task.status === 'input_required') return 'its server waits for an answer';
  if (task.status === 'queued') return `queued at place ${task.place ?? '?'}`;
  if (task.status === 'running' && task.progress) {
    const { progress, total, message } = task.progress;
    return `${progress}${total === undefined ? '' : ` of ${total}`}${message === undefined ? '' : ` ${message}`}`;
  }
  return task.error?.message;
}
