import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/processes.js';
import { bin, good, node, realServer, textOf, workplace } from '../support/runtime.js';

// biome-ignore lint/suspicious/noExplicitAny: a test looks into answers of every shape
type Answer = any;

/** Takes results as they come: the SDK has no schema for tasks of either era. */
const raw = {
  '~standard': { version: 1, vendor: 'raw', validate: (value: unknown) => ({ value }) },
} as const;

describe('MCP tasks of 2025-11-25', () => {
  const at = workplace();
  const connect = async () => {
    const client = await at().client();
    const request = (method: string, params: object = {}): Promise<Answer> =>
      client.sdk.request({ method, params } as never, raw as never);
    const start = (tool_name: string, args: object, task: object = { ttl: 60_000 }): Promise<Answer> =>
      request('tools/call', {
        name: 'execute_tool',
        arguments: { server_name: 'good', tool_name, arguments: args },
        task,
      });
    return { ...client, request, start };
  };

  it('BGT-09: declared, created, polled, awaited, listed; the same task as by the tools', async () => {
    at().servers({ good: good() });
    const { sdk, request, start, call } = await connect();
    expect(sdk.getServerCapabilities()).toMatchObject({
      tasks: { list: {}, cancel: {}, requests: { tools: { call: {} } } },
    });
    const { tools } = await request('tools/list');
    const declared = tools.filter((tool: Answer) => tool.execution?.taskSupport === 'optional');
    expect(declared.map((tool: Answer) => tool.name)).toEqual(['execute_tool']);

    const created = await start('sleep', { ms: 600, steps: 3 });
    const { taskId } = created.task;
    expect(created.task).toMatchObject({ status: 'working', pollInterval: 1_000, ttl: expect.any(Number) });
    expect(created._meta['io.modelcontextprotocol/model-immediate-response']).toContain(taskId);
    expect(await request('tasks/get', { taskId })).toMatchObject({ taskId, status: 'working' });
    const result = await request('tasks/result', { taskId });
    expect(result.content).toEqual([{ type: 'text', text: 'slept 600 ms' }]);
    expect(result._meta['io.modelcontextprotocol/related-task']).toEqual({ taskId });
    expect(await request('tasks/result', { taskId })).toEqual(result);
    expect(await request('tasks/get', { taskId })).toMatchObject({ status: 'completed' });
    expect(textOf(await call('poll_task_result', { task_id: taskId }))).toContain('slept 600 ms');
    const { tasks } = await request('tasks/list');
    expect(tasks).toMatchObject([{ taskId, status: 'completed' }]);
  }, 30_000);

  it('BGT-09: failures are results, unknown ones are -32602, cancel reaches the server, other tools refuse', async () => {
    at().servers({ good: good() });
    const { request, start } = await connect();
    const failed = await start('fail', { how: 'result', message: 'no luck' });
    expect(await request('tasks/result', { taskId: failed.task.taskId })).toMatchObject({ isError: true });
    expect(await request('tasks/get', { taskId: failed.task.taskId })).toMatchObject({ status: 'failed' });

    const long = (await start('sleep', { ms: 60_000, steps: 1 })).task;
    await eventually(() =>
      at()
        .events('good')
        .some(({ tool }) => tool === 'sleep'),
    );
    expect(await request('tasks/cancel', { taskId: long.taskId })).toMatchObject({ status: 'cancelled' });
    await eventually(() => at().events('good', 'cancelled').length === 1);
    await expect(request('tasks/cancel', { taskId: long.taskId })).rejects.toMatchObject({ code: -32602 });
    expect(await request('tasks/result', { taskId: long.taskId })).toMatchObject({ isError: true });

    await expect(request('tasks/get', { taskId: 'nobody' })).rejects.toMatchObject({ code: -32602 });
    await expect(start('nothing', {})).rejects.toMatchObject({ code: -32602 });
    const other = { name: 'list_servers', arguments: {}, task: {} };
    await expect(request('tools/call', other)).rejects.toMatchObject({ code: -32601 });
  }, 30_000);

  it('BGT-10: a tool that must be called as a task is: created, polled, fetched, its progress told', async () => {
    at().servers({ everything: node(realServer('everything')) });
    const { execute, learnt, call } = await at().client();
    await learnt();
    const report = await execute('everything', 'simulate-research-query', { topic: 'otters' });
    expect(report.isError).toBeFalsy();
    expect(textOf(report)).toMatch(/otters/);
    const queued = await execute(
      'everything',
      'simulate-research-query',
      { topic: 'owls' },
      { in_background: true },
    );
    const { task_id } = queued.structuredContent;
    const done = await call('poll_task_result', { task_id, wait: 60 });
    expect(textOf(done)).toMatch(/owls/);
  }, 60_000);
});

describe('the tasks extension of 2026-07-28', () => {
  const at = workplace();
  const connect = async (extensions: object, env: Record<string, string> = {}, more: object = {}) => {
    const transport = new StdioClientTransport({
      command: process.execPath,
      args: [bin, 'serve', '--engine', 'embedded'],
      env: { ...at().env, ...env },
    });
    const sdk = new Client(
      { name: 'modern', version: '1' },
      { versionNegotiation: { mode: { pin: '2026-07-28' } }, capabilities: { extensions } as never },
    );
    await sdk.connect(transport);
    const answers: Answer[] = [];
    const waiting = new Map<unknown, (answer: Answer) => void>();
    const receive = transport.onmessage;
    transport.onmessage = (message: Answer) => {
      const wanted = waiting.get(message.id);
      answers.push(message);
      if (wanted) wanted(message);
      else receive?.(message);
    };
    // Raw: the SDK's client takes no result of type "task".
    let id = 0;
    const request = (method: string, params: object): Promise<Answer> => {
      id += 1;
      const own = `raw-${id}`;
      const _meta = {
        'io.modelcontextprotocol/protocolVersion': '2026-07-28',
        'io.modelcontextprotocol/clientInfo': { name: 'modern', version: '1' },
        'io.modelcontextprotocol/clientCapabilities': { extensions, ...more },
      };
      void transport.send({ jsonrpc: '2.0', id: own, method, params: { ...params, _meta } });
      return new Promise((resolve) => waiting.set(own, resolve));
    };
    const execute = (tool_name: string, args: object, more: object = {}) =>
      request('tools/call', {
        name: 'execute_tool',
        arguments: { server_name: 'good', tool_name, arguments: args, ...more },
      });
    return { sdk, request, execute, discover: () => request('server/discover', {}) };
  };
  const declared = { 'io.modelcontextprotocol/tasks': {} };

  it('BGT-20: what the server asks stands in tasks/get, tasks/update brings the answers', async () => {
    const asking = fileURLToPath(new URL('../conformance/fixture.mjs', import.meta.url));
    at().servers({ asking: node(asking, '--era', 'modern') });
    const { sdk, request } = await connect(declared, {}, { elicitation: {} });
    const { result: created } = await request('tools/call', {
      name: 'execute_tool',
      arguments: {
        server_name: 'asking',
        tool_name: 'test_input_required_result_multi_round',
        in_background: true,
      },
    });
    const { taskId } = created;
    const until = (status: string) =>
      eventually(async () => {
        const { result } = await request('tasks/get', { taskId });
        return result.status === status && result;
      });
    const first = await until('input_required');
    expect(first).toMatchObject({
      resultType: 'complete',
      inputRequests: { 1: { method: 'elicitation/create' } },
    });
    const update = (inputResponses: object) => request('tasks/update', { taskId, inputResponses });
    expect((await update({ 1: { name: 'Ann' } })).error.code).toBe(-32602);
    const answer = { action: 'accept', content: { name: 'Ann', color: 'blue' } };
    const { result: taken } = await update({ 1: answer });
    expect(Object.keys(taken)).not.toContain('status');
    const second = await until('input_required');
    expect(Object.keys(second.inputRequests)).toEqual(['2']);
    // What was answered, or never asked, is for nobody.
    expect((await update({ 1: answer, 7: answer })).result).toMatchObject({ resultType: 'complete' });
    await update({ 2: answer });
    expect((await until('completed')).result.content).toEqual([{ type: 'text', text: 'Your color is blue' }]);
    await sdk.close();
  }, 60_000);

  it('BGT-11: a background call is a task, its end stands in tasks/get; undeclared clients get none', async () => {
    at().servers({ good: good() });
    const { sdk, request, execute, discover } = await connect(declared, { BACKGROUND_AFTER: '1' });
    const { result: discovered } = await discover();
    expect(discovered.capabilities.extensions).toEqual(declared);

    expect((await execute('echo', { text: 'now' })).result).toMatchObject({
      resultType: 'complete',
      content: [{ text: 'now' }],
    });
    const { result: created } = await execute('sleep', { ms: 400, steps: 2 }, { in_background: true });
    expect(created).toMatchObject({ resultType: 'task', status: 'working', pollIntervalMs: 1_000 });
    const { taskId } = created;
    const ended = await eventually(async () => {
      const { result } = await request('tasks/get', { taskId });
      return result.status === 'completed' && result;
    });
    expect(ended).toMatchObject({
      resultType: 'complete',
      taskId,
      result: { content: [{ text: 'slept 400 ms' }] },
    });

    const { result: grown } = await execute('sleep', { ms: 60_000, steps: 1 });
    expect(grown).toMatchObject({ resultType: 'task', status: 'working' });
    const update = { taskId: grown.taskId, inputResponses: {} };
    expect((await request('tasks/update', update)).result).toMatchObject({ resultType: 'complete' });
    expect((await request('tasks/cancel', { taskId: grown.taskId })).result).toMatchObject({
      resultType: 'complete',
    });
    const { result: cancelled } = await request('tasks/get', { taskId: grown.taskId });
    expect(cancelled.status).toBe('cancelled');

    const { result: failing } = await execute(
      'fail',
      { how: 'rpc', message: 'odd' },
      { in_background: true },
    );
    const failed = await eventually(async () => {
      const { result } = await request('tasks/get', { taskId: failing.taskId });
      return result.status === 'completed' && result;
    });
    expect(failed.result).toMatchObject({ isError: true });
    expect((await request('tasks/get', { taskId: 'nobody' })).error.code).toBe(-32602);
    expect((await request('tasks/list', {})).error.code).toBe(-32601);
    await sdk.close();

    const plain = await connect({});
    expect((await plain.request('tasks/get', { taskId })).error).toMatchObject({
      code: -32021,
      data: { requiredCapabilities: { extensions: declared } },
    });
    const { result: queued } = await plain.execute('echo', { text: 'later' }, { in_background: true });
    expect(queued.resultType).toBe('complete');
    await plain.sdk.close();
  }, 60_000);
});
