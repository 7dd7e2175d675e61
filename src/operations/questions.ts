import { z } from 'zod';
import { fromJson } from './json-argument.js';
import { next } from './text.js';

/** A request of a server for its client, as MCP has it. */
export const question = () => z.object({ method: z.string(), params: z.unknown() });
type Questions = Readonly<Record<string, z.output<ReturnType<typeof question>>>>;

/** By the keys of the questions: the result that MCP has for the request, or `{error: {code, message}}` to refuse it. */
export const answers = () =>
  z.preprocess(fromJson, z.record(z.string().max(64), z.record(z.string(), z.unknown())).optional());

/** A model pays for each word, and a form may be long. */
const MAX_CHARS = 4_000;

const EXAMPLES: Readonly<Record<string, string>> = {
  'elicitation/create': '{"action":"accept","content":{...}} or {"action":"decline"}',
  'sampling/createMessage': '{"role":"assistant","model":"...","content":{"type":"text","text":"..."}}',
  'roots/list': '{"roots":[{"uri":"file:///..."}]}',
};

/** What is asked, and how it is answered. What a server says is quoted, never ours. */
export function questionsText(taskId: string, questions: Questions): string {
  const lines = Object.entries(questions).map(([key, { method, params }]) => {
    const said = JSON.stringify(params ?? {});
    const cut = said.length > MAX_CHARS ? `${said.slice(0, MAX_CHARS)}… (cut)` : said;
    return `\n${key}: the server asks ${method} ${cut}\n   answer: ${EXAMPLES[method] ?? 'its result'}`;
  });
  const first = Object.keys(questions)[0] ?? '1';
  return `${lines.join('')}${next(
    `ask the user where it is for them, then poll_task_result(task_id="${taskId}", answers={"${first}": ...}, wait=30).`,
  )}`;
}

const action = () => z.looseObject({ action: z.enum(['accept', 'decline', 'cancel']) });
const shapes: Readonly<Record<string, () => z.ZodType>> = {
  'elicitation/create': action,
  'sampling/createMessage': () => z.looseObject({ role: z.string(), content: z.unknown() }),
  'roots/list': () => z.looseObject({ roots: z.array(z.looseObject({ uri: z.string() })) }),
};
const refusal = () => z.object({ error: z.looseObject({ code: z.int(), message: z.string() }) });

/** Why an answer is none to its question; undefined when it is one. */
export function wrongAnswer(method: string, answer: unknown): string | undefined {
  if (refusal().safeParse(answer).success) return undefined;
  const found = shapes[method]?.().safeParse(answer);
  return found === undefined || found.success
    ? undefined
    : `an answer to ${method} looks like ${EXAMPLES[method]}`;
}
