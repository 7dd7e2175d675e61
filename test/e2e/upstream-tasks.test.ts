import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { afterEach, describe, expect, it } from 'vitest';
import { eventually, fixture, readEvents, startHttpFixture } from '../support/processes.js';
import { type RawClient, rawClient } from '../support/raw-client.js';
import { bin, node, textOf, workplace } from '../support/runtime.js';

// biome-ignore lint/suspicious/noExplicitAny: a test looks into answers of every shape
type Answer = any;

const accept = (said: string) => ({ action: 'accept', content: { said } });

describe('a server of 2026-07-28 that makes tasks of its calls', () => {
  const at = workplace();
  const clients: RawClient[] = [];
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.close()));
  });

  /** @param answers what the client says when it is asked, in turn; none: it cannot be asked. */
  async function connect(answers: readonly object[] = [], ...words: string[]) {
    const place = at();
    place.servers({ tasks: node(fixture('task-server.mjs')) });
    const asked: string[] = [];
    const client = await rawClient([process.execPath, bin, 'serve', '--engine', 'embedded', ...words], {
      capabilities: answers.length > 0 ? { elicitation: {} } : {},
      answers: {
        'elicitation/create': ({ message }) => {
          asked.push(String(message));
          return answers[asked.length - 1];
        },
      },
      env: place.env,
    });
    clients.push(client);
    const call = async (name: string, args: object, _meta: object = {}): Promise<Answer> =>
      await client.request('tools/call', { name, arguments: args, _meta });
    const execute = async (tool_name: string, more: object = {}, meta: object = {}): Promise<Answer> =>
      (await call('execute_tool', { server_name: 'tasks', tool_name, arguments: {}, ...more }, meta)).result;
    const heard = (method: string) =>
      place.events('tasks', 'recv').filter((event) => event['method'] === method);
    return { client, asked, call, execute, heard };
  }

  it('gives the result of the task, and tells meanwhile what the server says of it', async () => {
    const { client, execute, heard } = await connect();
    const result = await execute('slow', {}, { progressToken: 'p' });
    expect(result).toMatchObject({ content: [{ type: 'text', text: 'slow is done' }] });
    expect(heard('tasks/get').length).toBe(4);
    expect(heard('tasks/cancel')).toEqual([]);
    const progress = client.notifications.filter(({ method }) => method === 'notifications/progress');
    expect(progress.at(-1)?.params).toMatchObject({
      progressToken: 'p',
      message: expect.stringMatching(/^step/),
    });
  }, 60_000);

  it('asks the client what the task needs, each thing once', async () => {
    const { asked, execute, heard } = await connect([accept('Ann'), accept('blue')]);
    const { content } = await execute('asks');
    expect(JSON.parse(content[0].text)).toEqual({ first: accept('Ann'), second: accept('blue') });
    expect(asked).toEqual(['Who?', 'Which colour?']);
    expect(heard('tasks/update').length).toBe(2);
  }, 60_000);

  it('ends with what went wrong, in the words of the server', async () => {
    const { execute, heard } = await connect();
    const errorOf = async (tool: string) => {
      const { isError, structuredContent } = await execute(tool);
      expect(isError).toBe(true);
      return structuredContent.error;
    };
    expect(await errorOf('fails')).toMatchObject({
      code: 'UPSTREAM_ERROR',
      data: { code: -32050, message: 'out of paper', data: { tray: 2 } },
    });
    expect(await errorOf('gives_up')).toMatchObject({
      code: 'UPSTREAM_ERROR',
      data: { message: 'nobody came' },
    });
    expect(await errorOf('odd')).toMatchObject({ code: 'UPSTREAM_PROTOCOL' });
    expect(heard('tasks/cancel')).toEqual([]);
    // A client that cannot be asked: the task would wait for ever.
    expect(await errorOf('asks')).toMatchObject({ code: 'UPSTREAM_ERROR', data: { code: -32601 } });
    await eventually(() => heard('tasks/cancel').length === 1);
  }, 60_000);

  it('cancels the task when the time is over, when the caller withdraws the call, and with a task of ours', async () => {
    const { client, call, execute, heard } = await connect();
    const late = await execute('never', { timeout: 1 });
    expect(late.structuredContent.error.code).toBe('TIMEOUT');
    await eventually(() => heard('tasks/cancel').length === 1);

    const { structuredContent: begun } = await execute('never', { in_background: true });
    await eventually(() => heard('tasks/get').some(({ taskId }) => taskId === 'task-2'), 20_000);
    await call('cancel_task', { task_id: begun.task_id });
    await eventually(() => heard('tasks/cancel').some(({ taskId }) => taskId === 'task-2'), 20_000);

    void execute('never');
    await eventually(() => heard('tasks/get').some(({ taskId }) => taskId === 'task-3'), 20_000);
    // The fifth request of this client: initialize, three calls, this one.
    client.notify('notifications/cancelled', { requestId: 5 });
    await eventually(() => heard('tasks/cancel').some(({ taskId }) => taskId === 'task-3'), 20_000);
  }, 90_000);

  it('asks a client of the same revision in its rounds, and whoever looks after a task of ours', async () => {
    const { call, execute } = await connect([accept('asked by nobody')]);
    const { env } = at();
    const modern = new Client(
      { name: 'modern', version: '1' },
      { capabilities: { elicitation: {} }, versionNegotiation: { mode: { pin: '2026-07-28' } } },
    );
    const asked: string[] = [];
    modern.setRequestHandler('elicitation/create', async ({ params }) => {
      asked.push(params.message);
      return { action: 'accept', content: { said: params.message } };
    });
    const args = [bin, 'serve', '--engine', 'embedded'];
    await modern.connect(new StdioClientTransport({ command: process.execPath, args, env }));
    try {
      const { content } = await modern.callTool({
        name: 'execute_tool',
        arguments: { server_name: 'tasks', tool_name: 'asks', arguments: {} },
      });
      expect(JSON.stringify(content)).toContain('Which colour?');
      expect(asked).toEqual(['Who?', 'Which colour?']);
    } finally {
      await modern.close();
    }
    const { task_id } = (await execute('asks', { in_background: true })).structuredContent;
    const poll = async (answers?: object) =>
      (await call('poll_task_result', { task_id, wait: 20, answers })).result.structuredContent;
    const first = await poll();
    expect(first).toMatchObject({
      status: 'input_required',
      questions: { 1: { params: { message: 'Who?' } } },
    });
    expect(await poll({ 1: accept('Ann') })).toMatchObject({ questions: { 2: {} } });
    const done = await poll({ 2: accept('blue') });
    expect(done.status).toBe('completed');
    expect(JSON.stringify(done)).toContain('Ann');
  }, 60_000);

  it('over HTTP says in a header which task it asks for, and asks again when the server is busy', async () => {
    const place = at();
    const log = join(place.folder, 'http.events');
    const server = await startHttpFixture(fixture('task-server.mjs'), ['--http'], { HOSTILE_LOG: log });
    try {
      place.servers({ http: { url: `http://127.0.0.1:${server.port}/mcp` } });
      const client = await place.client();
      expect(textOf(await client.execute('http', 'slow'))).toBe('slow is done');
      const looks = readEvents(log).filter((event) => event['method'] === 'tasks/get');
      expect(looks.map(({ name }) => name)).toEqual(Array(4).fill('task-1'));
    } finally {
      await server.stop();
    }
  }, 60_000);

  it('is the same where its tools are shown as ours', async () => {
    const { client, asked } = await connect([accept('Ann'), accept('red')], '--expose', 'direct');
    const named = (name: string) => client.request('tools/call', { name, arguments: {} });
    expect((await named('slow')).result.content).toEqual([{ type: 'text', text: 'slow is done' }]);
    expect((await named('asks')).result.content[0].text).toContain('red');
    expect(asked).toEqual(['Who?', 'Which colour?']);
    expect((await named('fails')).error).toEqual({
      code: -32050,
      message: 'out of paper',
      data: { tray: 2 },
    });
  }, 60_000);
});
