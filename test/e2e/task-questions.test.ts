import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { eventually } from '../support/processes.js';
import { EVERYTHING, type RawClient, type RawClientOptions, rawClient } from '../support/raw-client.js';
import { bin, node, workplace } from '../support/runtime.js';

const fixture = fileURLToPath(new URL('../conformance/fixture.mjs', import.meta.url));
const ERAS = ['legacy', 'modern'] as const;
const asking = (era: (typeof ERAS)[number]) => ({ asking: node(fixture, '--era', era) });
const accept = (content: object) => ({ action: 'accept', content });

// biome-ignore lint/suspicious/noExplicitAny: a test looks into answers of every shape
type Answer = any;

/** A client that declares everything; what it answers by itself is `answers`. */
function front(at: ReturnType<typeof workplace>, engine: 'embedded' | 'shared') {
  const clients: RawClient[] = [];
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.close()));
  });
  return async (
    answers: RawClientOptions['answers'] = {},
    env: Record<string, string> = {},
    capabilities: Record<string, unknown> = EVERYTHING,
  ) => {
    const raw = await rawClient([process.execPath, bin, 'serve', '--engine', engine], {
      capabilities,
      answers,
      env: { ...at().env, ...env },
    });
    clients.push(raw);
    const call = async (name: string, args: object): Promise<Answer> =>
      (await raw.request('tools/call', { name, arguments: args })).result;
    const execute = (tool_name: string, args: object, more: object = {}) =>
      call('execute_tool', { server_name: 'asking', tool_name, arguments: args, ...more });
    const background = async (tool: string, args: object = {}): Promise<string> =>
      (await execute(tool, args, { in_background: true })).structuredContent.task_id;
    const poll = async (task_id: string, more: object = {}): Promise<Answer> =>
      call('poll_task_result', { task_id, wait: 20, ...more });
    return { raw, call, execute, background, poll };
  };
}

describe('a task whose server asks back', () => {
  const at = workplace({ engine: 'shared' });
  const connect = front(at, 'shared');

  it.each(ERAS)(
    'BGT-12: says what is asked; another window answers after the first has gone (server of the %s era)',
    async (era) => {
      at().servers(asking(era));
      const first = await connect();
      const task_id = await first.background('test_input_required_result_multi_round');
      const asked = await first.poll(task_id);
      expect(asked.isError).toBeFalsy();
      expect(asked.structuredContent).toMatchObject({
        status: 'input_required',
        questions: {
          1: { method: 'elicitation/create', params: { message: expect.stringContaining('Step 1') } },
        },
      });
      expect(asked.content[0].text).toContain(`poll_task_result(task_id="${task_id}", answers={"1": `);
      const second = await connect();
      await first.raw.close();

      const { structuredContent: listed } = await second.call('list_tasks', { all: true });
      expect(listed.tasks).toMatchObject([{ task_id, status: 'input_required' }]);
      const wrong = await second.poll(task_id, { answers: { 1: { name: 'Ann' } } });
      expect(wrong).toMatchObject({ isError: true });
      expect(wrong.content[0].text).toContain('"action":"accept"');

      const step2 = await second.poll(task_id, { answers: JSON.stringify({ 1: accept({ name: 'Ann' }) }) });
      expect(Object.keys(step2.structuredContent.questions)).toEqual(['2']);
      // An answer that comes twice is for nobody.
      const again = await second.poll(task_id, { answers: { 1: accept({ name: 'Eve' }) } });
      expect(again.structuredContent).toEqual(step2.structuredContent);
      const done = await second.poll(task_id, { answers: { 2: accept({ color: 'blue' }) } });
      expect(done.structuredContent).toMatchObject({ status: 'completed' });
      expect(JSON.stringify(done.content)).toContain('Your color is blue');
    },
    60_000,
  );
});

describe('questions and time', () => {
  const at = workplace();
  const connect = front(at, 'embedded');
  const slowly = (ms: number, answer: object) => () =>
    new Promise((resolve) => setTimeout(() => resolve(answer), ms));

  it.each(ERAS)(
    'BGT-13: nobody answers: the task ends, says so, and the server is told (%s era)',
    async (era) => {
      at().servers(asking(era));
      const { background, poll } = await connect({}, { ANSWER_TIMEOUT: '1' });
      const task_id = await background('test_elicitation', { message: 'Anybody?' });
      const seen = await poll(task_id);
      expect(seen.structuredContent.status).toBe('input_required');
      const failed = await eventually(async () => {
        const answer = await poll(task_id, { wait: 0 });
        return answer.structuredContent.status === 'failed' && answer;
      });
      expect(failed).toMatchObject({
        isError: true,
        structuredContent: { error: { code: 'TIMEOUT', data: { reason: 'not-answered' } } },
      });
      expect(failed.content[0].text).toContain('nobody answered within 1 s');
    },
    60_000,
  );

  it('BGT-14: who waits for an answer holds no worker, and a cancel takes the question back', async () => {
    at().servers(asking('legacy'));
    const { background, poll, call } = await connect({}, { BACKGROUND_QUEUE_MAX_SUBSCRIBERS: '1' });
    const waiting = await background('test_elicitation', { message: 'Well?' });
    await poll(waiting);
    const other = await background('test_simple_text');
    expect((await poll(other)).structuredContent.status).toBe('completed');
    expect((await call('cancel_task', { task_id: waiting })).structuredContent.cancelled).toBe(true);
    expect((await poll(waiting)).structuredContent.status).toBe('cancelled');
  }, 60_000);

  it('BGT-15: a client that cannot be asked: the server is told at once', async () => {
    at().servers(asking('legacy'));
    const { background, poll } = await connect({}, {}, {});
    const done = await poll(await background('test_elicitation', { message: 'Well?' }));
    expect(done.structuredContent).toMatchObject({ status: 'failed', error: { code: 'UPSTREAM_ERROR' } });
    expect(done.content[0].text).toContain('did not declare elicitation');
  }, 60_000);

  it.each(ERAS)(
    'BGT-16: the time of a call stands still while its client thinks (%s era)',
    async (era) => {
      at().servers(asking(era));
      const { execute } = await connect({ 'elicitation/create': slowly(2_500, accept({ username: 'Ann' })) });
      const { content, isError } = await execute('test_elicitation', { message: 'Who?' }, { timeout: 1 });
      expect(isError).toBeFalsy();
      expect(content[0].text).toContain('action=accept');
    },
    60_000,
  );

  it('BGT-17: a client that never answers: the call ends with the time for answers', async () => {
    at().servers(asking('legacy'));
    const { execute } = await connect(
      { 'elicitation/create': () => new Promise(() => {}) },
      { ANSWER_TIMEOUT: '1' },
    );
    const { content, isError } = await execute('test_elicitation', { message: 'Who?' });
    expect(isError).toBe(true);
    expect(content[0].text).toContain('did not answer within 1000 ms');
  }, 60_000);

  it('BGT-18: a call whose client is asked becomes a task only once it has answered', async () => {
    at().servers(asking('legacy'));
    const answered: unknown[] = [];
    const { execute } = await connect(
      {
        'elicitation/create': async ({ message }) => {
          const answer = await slowly(1_800, accept({ name: 'Ann', color: 'blue' }))();
          answered.push(message);
          return answer;
        },
      },
      { BACKGROUND_AFTER: '1' },
    );
    await execute('test_input_required_result_multi_round', {});
    // The second question may meet the call as a task already, or not yet.
    expect(answered[0]).toContain('Step 1');
  }, 60_000);
});

describe('MCP tasks whose server asks back', () => {
  const at = workplace();
  const connect = front(at, 'embedded');

  it.each(ERAS)(
    'BGT-19: 2025-11-25: input_required, and who waits for the result is asked (server of the %s era)',
    async (era) => {
      at().servers(asking(era));
      const asked: Answer[] = [];
      const { raw } = await connect({
        'elicitation/create': (params) => {
          asked.push(params);
          return accept({ name: 'Ann', color: 'blue' });
        },
      });
      const { result: created } = await raw.request('tools/call', {
        name: 'execute_tool',
        arguments: { server_name: 'asking', tool_name: 'test_input_required_result_multi_round' },
        task: {},
      });
      const { taskId } = created.task;
      await eventually(
        async () => (await raw.request('tasks/get', { taskId })).result.status === 'input_required',
      );
      expect((await raw.request('tasks/list')).result.tasks).toMatchObject([
        { taskId, status: 'input_required' },
      ]);
      const { result } = await raw.request('tasks/result', { taskId });
      expect(result.content).toEqual([{ type: 'text', text: 'Your color is blue' }]);
      expect(asked).toHaveLength(2);
      expect(asked[0]._meta['io.modelcontextprotocol/related-task']).toEqual({ taskId });
    },
    60_000,
  );
});
