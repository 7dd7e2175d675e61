import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { eventually } from '../support/processes.js';
import { EVERYTHING, type RawClient, type RawClientOptions, rawClient } from '../support/raw-client.js';
import { bin, realServer, workplace } from '../support/runtime.js';

const answers: NonNullable<RawClientOptions['answers']> = {
  'roots/list': () => ({ roots: [{ uri: 'file:///tmp/a-root', name: 'a root' }] }),
  'sampling/createMessage': ({ messages }) => ({
    role: 'assistant',
    model: 'test',
    content: { type: 'text', text: `answer to ${JSON.stringify(messages)}` },
  }),
  'elicitation/create': ({ mode }) => (mode === 'url' ? { action: 'accept' } : { action: 'decline' }),
};

/** One call of each tool that can be compared: it has no clock, no chance and no memory in its answer. */
const SAMPLES: Record<string, readonly [string, Record<string, unknown>][]> = {
  everything: [
    ['echo', { message: 'hällo 🌍 \u2028' }],
    ['get-sum', { a: 1, b: 2 }],
    ['get-tiny-image', {}],
    ['get-annotated-message', { messageType: 'error', includeImage: true }],
    ['get-structured-content', { location: 'Chicago' }],
    ['get-resource-links', { count: 3 }],
    ['get-resource-reference', { resourceType: 'Text', resourceId: 1 }],
    ['trigger-long-running-operation', { duration: 0.2, steps: 2 }],
    ['trigger-sampling-request', { prompt: 'What now?', maxTokens: 10 }],
    ['trigger-elicitation-request', {}],
    ['echo', {}],
    ['no-such-tool', {}],
  ],
  filesystem: [
    ['list_directory', { path: '{folder}' }],
    ['read_text_file', { path: '{folder}/a.txt' }],
    ['directory_tree', { path: '{folder}' }],
    ['search_files', { path: '{folder}', pattern: '*.txt' }],
    ['list_allowed_directories', {}],
    ['read_text_file', { path: '/etc/passwd' }],
  ],
  memory: [
    ['create_entities', { entities: [{ name: 'a', entityType: 't', observations: ['o'] }] }],
    ['read_graph', {}],
    ['search_nodes', { query: 'a' }],
    ['open_nodes', { names: ['a'] }],
    ['add_observations', { observations: [{ entityName: 'nobody', contents: ['x'] }] }],
  ],
};

describe('a client that reads a server through us reads what a direct client reads', () => {
  const at = workplace();
  const clients: RawClient[] = [];
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.close()));
  });

  async function pair(name: 'everything' | 'filesystem' | 'memory') {
    const place = at();
    const data = join(place.folder, 'data');
    mkdirSync(data, { recursive: true });
    writeFileSync(join(data, 'a.txt'), 'one\ntwo\n');
    const args = [realServer(name), ...(name === 'filesystem' ? [data] : [])];
    const own = (file: string): Record<string, string> =>
      name === 'memory' ? { MEMORY_FILE_PATH: join(place.folder, file) } : {};
    place.servers({ [name]: { command: process.execPath, args, env: own('through.json') } });
    const options = { capabilities: EVERYTHING, answers };
    const direct = await rawClient([process.execPath, ...args], {
      ...options,
      env: { ...place.env, ...own('direct.json') },
    });
    const through = await rawClient(
      [process.execPath, bin, 'serve', '--engine', 'embedded', '--expose', 'direct'],
      { ...options, env: place.env },
    );
    clients.push(direct, through);
    return { direct, through, data };
  }

  it.each(['everything', 'filesystem', 'memory'] as const)(
    '%s',
    async (name) => {
      const { direct, through, data } = await pair(name);
      const tools = await through.request('tools/list');
      // Servers tell more tools once they know what the client can do, a moment after it said so.
      await eventually(async () => {
        const listed = await direct.request('tools/list');
        return listed.result.tools.length >= tools.result.tools.length;
      });
      expect(tools.result).toEqual((await direct.request('tools/list')).result);
      for (const method of ['resources/list', 'resources/templates/list', 'prompts/list']) {
        const expected = await direct.request(method);
        // We offer what any server behind us may have: an empty list where the server has none.
        if (expected.error) continue;
        expect((await through.request(method)).result, method).toEqual(expected.result);
      }
      for (const [tool, given] of SAMPLES[name] ?? []) {
        const filled = JSON.parse(JSON.stringify(given).replaceAll('{folder}', data)) as Record<
          string,
          unknown
        >;
        const params = { name: tool, arguments: filled };
        const [expected, seen] = [
          await direct.request('tools/call', params),
          await through.request('tools/call', params),
        ];
        if (tool === 'no-such-tool') {
          expect(seen.error ?? seen.result.isError).toBeTruthy();
          continue;
        }
        const bytes = ({ result, error }: typeof seen) => JSON.stringify(result ?? error);
        // Some tell the second they were asked in: it may have changed since the direct call.
        const told = bytes(seen) === bytes(expected) ? expected : await direct.request('tools/call', params);
        expect(bytes(seen), tool).toBe(bytes(told));
      }
    },
    60_000,
  );

  it('everything: progress, logging at the level asked for, resources, prompts and completions', async () => {
    const { through } = await pair('everything');
    const [resource] = (await through.request('resources/list')).result.resources;
    expect((await through.request('resources/read', { uri: resource.uri })).result.contents).toHaveLength(1);
    const prompt = { name: 'args-prompt', arguments: { city: 'Bonn' } };
    expect(JSON.stringify((await through.request('prompts/get', prompt)).result)).toContain('Bonn');
    expect((await through.request('no/such')).error?.code).toBe(-32601);
    await through.request('tools/call', {
      name: 'trigger-long-running-operation',
      arguments: { duration: 0.2, steps: 2 },
      _meta: { progressToken: 'mine' },
    });
    const progress = through.notifications.filter(({ method }) => method === 'notifications/progress');
    expect(progress.map(({ params }) => params.progressToken)).toEqual(['mine', 'mine']);
    await through.request('logging/setLevel', { level: 'debug' });
    await through.request('tools/call', { name: 'toggle-simulated-logging', arguments: {} });
    await eventually(
      () => through.notifications.some(({ method }) => method === 'notifications/message'),
      15_000,
    );
  }, 60_000);

  it('everything: a task that the server makes is its own, and is of nobody else', async () => {
    const { through } = await pair('everything');
    const { result: listed } = await through.request('tools/list');
    const tool = listed.tools.find(({ name }: { name: string }) => name === 'simulate-research-query');
    expect(tool.execution).toEqual({ taskSupport: 'required' });
    const { result: created } = await through.request('tools/call', {
      name: tool.name,
      arguments: { topic: 'otters', ambiguous: true },
      task: { ttl: 60_000 },
    });
    const { taskId } = created.task;
    expect((await through.request('tasks/get', { taskId })).result).toMatchObject({ taskId });
    await eventually(
      async () => (await through.request('tasks/get', { taskId })).result.status === 'input_required',
      60_000,
    );
    const { result } = await through.request('tasks/result', { taskId });
    expect(JSON.stringify(result.content)).toContain('otters');
    expect((await through.request('tasks/get', { taskId })).result.status).toBe('completed');
    expect((await through.request('tasks/get', { taskId: 'another' })).error?.code).toBe(-32602);
  }, 90_000);

  it('answers for a client that declared nothing at once', async () => {
    const place = at();
    place.servers({ everything: { command: process.execPath, args: [realServer('everything')] } });
    const bare = await rawClient(
      [process.execPath, bin, 'serve', '--engine', 'embedded', '--expose', 'direct'],
      { env: place.env },
    );
    clients.push(bare);
    const { result, error } = await bare.request('tools/call', {
      name: 'trigger-sampling-request',
      arguments: { prompt: 'x' },
    });
    expect(JSON.stringify(result ?? error)).toContain('did not declare sampling');
  }, 60_000);

  it('a server of its own starts where the client works', async () => {
    const place = at();
    const project = join(place.folder, 'project');
    mkdirSync(project, { recursive: true });
    const args = [realServer('filesystem'), '${workspaceRoot}'];
    place.servers({ files: { command: process.execPath, args } });
    const client = await rawClient(
      [process.execPath, bin, 'serve', '--engine', 'embedded', '--expose', 'direct'],
      {
        capabilities: { roots: {} },
        answers: { 'roots/list': () => ({ roots: [{ uri: pathToFileURL(project).href }] }) },
        env: place.env,
      },
    );
    clients.push(client);
    const { result } = await client.request('tools/call', {
      name: 'list_allowed_directories',
      arguments: {},
    });
    expect(result.content[0].text).toBe(`Allowed directories:\n${project}`);
  }, 60_000);

  it('pins: beside our own tools, told apart by their server', async () => {
    const place = at();
    place.servers({
      everything: { command: process.execPath, args: [realServer('everything')], pin: ['echo'] },
      memory: { command: process.execPath, args: [realServer('memory')] },
    });
    const client = await rawClient(
      [process.execPath, bin, 'serve', '--engine', 'embedded', '--pin', 'memory/read_graph'],
      { env: place.env },
    );
    clients.push(client);
    const names = async () =>
      (await client.request('tools/list')).result.tools.map(({ name }: { name: string }) => name) as string[];
    await eventually(async () => (await names()).includes('memory__read_graph'), 20_000);
    const listed = await names();
    expect(listed).toContain('execute_tool');
    expect(listed.slice(-2)).toEqual(['everything__echo', 'memory__read_graph']);
    const { result } = await client.request('tools/call', {
      name: 'everything__echo',
      arguments: { message: 'pinned' },
    });
    expect(result.content[0].text).toContain('pinned');
  }, 60_000);
});

describe('an engine of its own process asks the client through the wire', () => {
  const at = workplace({ engine: 'shared' });
  let client: RawClient | undefined;
  afterEach(async () => {
    await client?.close();
    client = undefined;
  });

  it('sampling, elicitation and progress through execute_tool', async () => {
    const place = at();
    place.servers({ everything: { command: process.execPath, args: [realServer('everything')] } });
    client = await rawClient([process.execPath, bin, 'serve', '--engine', 'shared'], {
      capabilities: EVERYTHING,
      answers,
      env: place.env,
    });
    const call = async (tool_name: string, given: Record<string, unknown>) =>
      JSON.stringify(
        await client?.request('tools/call', {
          name: 'execute_tool',
          arguments: { server_name: 'everything', tool_name, arguments: given },
          _meta: { progressToken: 7 },
        }),
      );
    expect(await call('trigger-sampling-request', { prompt: 'over the wire', maxTokens: 5 })).toContain(
      'answer to',
    );
    expect(await call('trigger-elicitation-request', {})).toContain('declined');
    await call('trigger-long-running-operation', { duration: 0.2, steps: 2 });
    const progress = client.notifications.filter(({ method }) => method === 'notifications/progress');
    expect(progress.map(({ params }) => params.progressToken)).toEqual([7, 7]);
  }, 60_000);
});
