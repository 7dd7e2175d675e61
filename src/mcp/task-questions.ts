import type { OperationContext } from '../core/caller.js';
import { sleep } from '../lib/abort.js';
import { invoke } from '../operations/invoke.js';
import type { OperationOutput as Out, Runtime } from '../operations/table.js';

type Poll = Out<'poll_task_result'>;
type Question = NonNullable<Poll['questions']>[string];

export const ENDED: ReadonlySet<string> = new Set(['completed', 'failed', 'cancelled']);
export const RELATED_TASK = 'io.modelcontextprotocol/related-task';
const POLL_MS = 1_000;
const WAIT_S = 300;
/** The capability that a client declares for each request of a server. */
const ASKABLE: Readonly<Record<string, string>> = {
  'elicitation/create': 'elicitation',
  'sampling/createMessage': 'sampling',
  'roots/list': 'roots',
};

const isLiving = ({ status }: Poll): boolean => ['queued', 'running', 'input_required'].includes(status);

/**
 * The task once it has ended, or is not known any more. What its server asks meanwhile is asked of the client that waits
 * for the result (2025-11-25).
 */
export async function askUntilEnded(runtime: Runtime, given: Poll, context: OperationContext): Promise<Poll> {
  let task = given;
  const seen = new Set<string>();
  while (isLiving(task)) {
    const questions = Object.entries(task.questions ?? {}).filter(([key]) => !seen.has(key));
    for (const [key] of questions) seen.add(key);
    // Others may answer what this client cannot, and does not: then there is only waiting.
    if (questions.length === 0 && task.questions) await sleep(POLL_MS, { signal: context.signal });
    const answers = await asked(task.task_id, questions, context);
    const wait = task.questions && questions.length === 0 ? 0 : WAIT_S;
    task = await invoke(runtime, 'poll_task_result', { task_id: task.task_id, wait, answers }, context);
  }
  return task;
}

/** Asks the client what it declared that it can be asked. @returns its answers by the keys of the questions. */
async function asked(
  taskId: string,
  questions: readonly (readonly [string, Question])[],
  { client }: OperationContext,
): Promise<Record<string, unknown>> {
  const answers = questions.map(async ([key, { method, params }]) => {
    if (client?.capabilities[ASKABLE[method] ?? ''] === undefined) return [];
    const { _meta, ...rest } = (params ?? {}) as Record<string, unknown>;
    const meta = { ...(_meta as object | undefined), [RELATED_TASK]: { taskId } };
    return client.ask(method, { ...rest, _meta: meta }).then(
      (answer) => [[key, answer] as const],
      (error: { code?: unknown; message?: unknown }) =>
        typeof error?.code === 'number'
          ? [[key, { error: { code: error.code, message: String(error.message) } }] as const]
          : [],
    );
  });
  return Object.fromEntries((await Promise.all(answers)).flat());
}
