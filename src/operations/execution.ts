import { z } from 'zod';
import { Payload } from '../core/payload.js';
import type { CallToolResult, ContentBlock } from '../core/upstream.js';
import { fromJson } from './json-argument.js';
import { type Operation, operation } from './operation.js';
import { answers, question, questionsText } from './questions.js';
import { list, next, paging } from './text.js';

const result = () => z.custom<Payload<CallToolResult>>((given) => given instanceof Payload);
const taskId = () => z.string().max(128);

const toolArguments = () => z.preprocess(fromJson, z.record(z.string(), z.unknown()).default({}));

const executeInput = () =>
  z.object({
    server_name: z.string().min(1).max(256),
    tool_name: z.string().min(1).max(1024),
    arguments: toolArguments(),
    /** Seconds. */
    timeout: z.number().positive().max(86_400).default(60),
    in_background: z.boolean().default(false),
    priority: z.int().min(-1000).max(1000).default(1),
    /** In the background: whether the timeout covers the waiting too. */
    count_waiting: z.boolean().optional(),
  });

const executeOutput = () =>
  z.discriminatedUnion('status', [
    z.object({ status: z.literal('completed'), result: result() }),
    z.object({ status: z.literal('queued'), task_id: z.string(), place: z.int() }),
    /** It ran longer than BACKGROUND_AFTER (seconds) and goes on as a task. */
    z.object({ status: z.literal('running'), task_id: z.string(), after: z.number() }),
  ]);
type Accepted = Exclude<z.output<ReturnType<typeof executeOutput>>, { status: 'completed' }>;

/** What is said when the result is still to come. */
function acceptedText(task: Accepted): string {
  const poll = next(`poll_task_result(task_id="${task.task_id}", wait=30).`);
  if (task.status === 'running')
    return `The call runs longer than ${task.after} s; it goes on as task ${task.task_id}.${poll}`;
  return `Task ${task.task_id} ${task.place > 0 ? `is queued at place ${task.place}` : 'has started'}.${poll}`;
}

export const executeTool: Operation<
  'execute_tool',
  ReturnType<typeof executeInput>,
  ReturnType<typeof executeOutput>
> = {
  name: 'execute_tool',
  title: 'Run a tool',
  description:
    "Run a server's tool, starting the server if needed. timeout in seconds; for long work set in_background and use poll_task_result. Large results come as a [Reference: id] for get_content.",
  audience: 'model',
  input: executeInput,
  output: executeOutput,
  answers: 'verbatim',
  annotations: { readOnlyHint: false, destructiveHint: true, openWorldHint: true },
  present: (output) =>
    output.status === 'completed'
      ? output.result
      : { content: [{ type: 'text', text: acceptedText(output) }], structuredContent: output },
};

const problem = () =>
  z.object({
    code: z.string(),
    message: z.string(),
    hint: z.string().optional(),
    data: z.record(z.string(), z.unknown()).optional(),
    retryable: z.boolean().optional(),
  });

const pollOutput = () =>
  z.object({
    task_id: z.string(),
    status: z.enum([
      ...['queued', 'running', 'input_required', 'completed', 'failed', 'cancelled', 'expired', 'not_found'],
    ] as const),
    /** What its server asks, by keys for `answers`. */
    questions: z.record(z.string(), question()).optional(),
    place: z.int().optional(),
    progress: z
      .object({ progress: z.number(), total: z.number().optional(), message: z.string().optional() })
      .optional(),
    result: result().optional(),
    error: problem().optional(),
    /** For programs, ms since the epoch; models are not shown them. */
    times: z.object({ created: z.number(), updated: z.number(), expires: z.number() }).optional(),
  });
type Poll = z.output<ReturnType<typeof pollOutput>>;

function pollText(task: Poll): string {
  switch (task.status) {
    case 'queued':
      return `queued, place ${task.place ?? '?'}${next('poll again later; wait=30 saves calls.')}`;
    case 'running': {
      const at = task.progress;
      const done = at
        ? `, ${at.progress}${at.total === undefined ? '' : ` of ${at.total}`}${at.message ? ` ${at.message}` : ''}`
        : '';
      return `running${done}${next('poll again later; wait=30 saves calls.')}`;
    }
    case 'input_required':
      return `input_required${questionsText(task.task_id, task.questions ?? {})}`;
    case 'failed':
      return `failed: ${task.error?.message ?? 'no reason was kept'}${task.error?.hint ? ` ${task.error.hint}` : ''}`;
    case 'not_found':
      return `not_found: no task ${task.task_id}. list_tasks shows those that are known.`;
    case 'expired':
      return 'expired: the task ended, but its result is no longer kept. Run it again if it is still needed.';
    default:
      return task.status;
  }
}

const pollInput = () =>
  z.object({
    task_id: taskId(),
    /** Seconds to wait for the end. */
    wait: z.number().min(0).max(300).default(0),
    answers: answers(),
  });

export const pollTaskResult: Operation<
  'poll_task_result',
  ReturnType<typeof pollInput>,
  ReturnType<typeof pollOutput>
> = {
  name: 'poll_task_result',
  title: 'Result of a background task',
  description:
    'State or result of a background task; wait (seconds) holds the answer until it ends. answers: to what input_required asks.',
  audience: 'model',
  input: pollInput,
  output: pollOutput,
  answers: 'structured',
  // An answer goes to a server.
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  present: (task) => {
    const { result: payload, times: _times, ...facts } = task;
    const inner = payload?.value;
    const blocks: ContentBlock[] = [{ type: 'text', text: pollText(task) }, ...(inner?.content ?? [])];
    const failed =
      task.status === 'failed' ||
      task.status === 'not_found' ||
      task.status === 'expired' ||
      inner?.isError === true;
    return {
      content: blocks,
      structuredContent: inner === undefined ? facts : { ...facts, result: inner },
      ...(failed ? { isError: true } : {}),
    };
  },
};

export const cancelTask = operation({
  name: 'cancel_task',
  title: 'Cancel a background task',
  description: 'Stop a queued or running background task.',
  input: () => z.object({ task_id: taskId() }),
  output: () => z.object({ task_id: z.string(), status: z.string(), cancelled: z.boolean() }),
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
  text: ({ task_id, status, cancelled }) =>
    cancelled ? `Task ${task_id} is cancelled.` : `Task ${task_id} had ended before: ${status}.`,
});

export const listTasks = operation({
  name: 'list_tasks',
  title: 'Background tasks',
  description: 'Background tasks of this client, newest first; all=true for those of your other windows too.',
  input: () =>
    z.object({
      limit: z.int().min(1).max(100).default(50),
      offset: z.int().min(0).default(0),
      all: z.boolean().default(false),
    }),
  output: () =>
    z.object({
      tasks: z.array(
        z.object({
          task_id: z.string(),
          server: z.string(),
          tool: z.string(),
          status: z.string(),
          created: z.string(),
          updated: z.string().optional(),
        }),
      ),
      total: z.int(),
      next_offset: z.int().optional(),
    }),
  annotations: { readOnlyHint: true, openWorldHint: false },
  text: ({ tasks, total, next_offset }) =>
    list(
      tasks.map((task) => `${task.task_id} ${task.status}: ${task.server} / ${task.tool}, ${task.created}`),
      'No background tasks.',
    ) + paging(tasks.length, total, next_offset),
});
