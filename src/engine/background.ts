import type { Caller, OperationContext } from '../core/caller.js';
import { RuntimeError } from '../core/errors.js';
import type { Task } from '../core/task.js';
import { wrongAnswer } from '../operations/questions.js';
import type { OperationInput as In, OperationOutput as Out } from '../operations/table.js';
import type { TaskQueue } from '../tasks/task-queue.js';
import { bridgedPart } from '../upstream/bridge.js';
import { type Executor, isRepeatable } from './executor.js';

/** The operations on background tasks, over the queue. */
export class Background {
  readonly #queue: TaskQueue;
  readonly #executor: Executor;

  constructor(queue: TaskQueue, executor: Executor) {
    this.#queue = queue;
    this.#executor = executor;
  }

  /** Accepted means kept on disk. */
  async submit(
    input: In<'execute_tool'>,
    { caller, client }: OperationContext,
    confirmed: boolean,
  ): Promise<Out<'execute_tool'>> {
    const tool = this.#executor.check(input.server_name, input.tool_name, caller);
    const task = this.#queue.submit({
      principal: caller.principal,
      clientId: caller.clientId,
      clientName: caller.clientName,
      restriction: caller.restriction,
      confirmed,
      server: input.server_name,
      tool: input.tool_name,
      arguments: input.arguments,
      priority: input.priority,
      timeoutMs: input.timeout * 1000,
      countWaiting: input.count_waiting,
      idempotent: isRepeatable(tool),
      capabilities: client && bridgedPart(client.capabilities),
    });
    return { status: 'queued', task_id: task.id, place: task.position ?? 0 };
  }

  async poll(
    input: In<'poll_task_result'>,
    caller: Caller,
    signal: AbortSignal,
  ): Promise<Out<'poll_task_result'>> {
    try {
      if (input.answers) await this.#answer(input.task_id, input.answers, caller);
      return answer(await this.#queue.wait(caller.principal, input.task_id, input.wait * 1000, signal));
    } catch (error) {
      if (error instanceof RuntimeError && error.code === 'TASK_NOT_FOUND')
        return {
          task_id: input.task_id,
          status: error.data?.['reason'] === 'expired' ? 'expired' : 'not_found',
        };
      throw error;
    }
  }

  async #answer(id: string, answers: Readonly<Record<string, unknown>>, caller: Caller): Promise<void> {
    const { questions = {} } = await this.#queue.get(caller.principal, id);
    for (const [key, given] of Object.entries(answers)) {
      const asked = questions[key];
      const wrong = asked && wrongAnswer(asked.method, given);
      if (wrong) throw new RuntimeError('INVALID_ARGUMENTS', `Wrong answer to question ${key}: ${wrong}.`);
    }
    this.#queue.answer(caller.principal, id, answers);
  }

  async cancel(input: In<'cancel_task'>, caller: Caller): Promise<Out<'cancel_task'>> {
    const { status: before } = await this.#queue.get(caller.principal, input.task_id);
    const task = await this.#queue.cancel(caller.principal, input.task_id);
    const cancelled = task.status === 'cancelled' && (before === 'queued' || before === 'running');
    return { task_id: task.id, status: task.status, cancelled };
  }

  list(input: In<'list_tasks'>, caller: Caller): Out<'list_tasks'> {
    const { tasks, total } = this.#queue.list(caller.principal, {
      limit: input.limit,
      offset: input.offset,
      ...(input.all ? {} : { clientId: caller.clientId }),
    });
    const end = input.offset + tasks.length;
    return {
      tasks: tasks.map((task) => ({
        task_id: task.id,
        server: task.server,
        tool: task.tool,
        status: statusOf(task),
        created: new Date(task.createdAt).toISOString(),
        updated: new Date(updatedAt(task)).toISOString(),
      })),
      total,
      ...(end < total ? { next_offset: end } : {}),
    };
  }
}

function answer(task: Task): Out<'poll_task_result'> {
  return {
    task_id: task.id,
    status: statusOf(task),
    ...(task.questions === undefined ? {} : { questions: task.questions }),
    ...(task.position === undefined ? {} : { place: task.position }),
    // Only while it runs: what is said of a task that has ended must stay the same, and not every step is kept.
    ...(task.progress === undefined || task.status !== 'running' ? {} : { progress: task.progress }),
    ...(task.result === undefined ? {} : { result: task.result }),
    ...(task.error === undefined ? {} : { error: task.error }),
    times: { created: task.createdAt, updated: updatedAt(task), expires: task.expiresAt },
  };
}

const statusOf = (task: Task) => (task.questions === undefined ? task.status : 'input_required');

const updatedAt = (task: Task): number => task.endedAt ?? task.startedAt ?? task.createdAt;
