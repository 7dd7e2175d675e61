import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { eventually, hostile, isAlive, pidsWith } from '../support/processes.js';
import { good, node, realServer, textOf, workplace } from '../support/runtime.js';

describe('the main job, on real servers', () => {
  const at = workplace();

  const realServers = () => {
    const place = at();
    place.servers({
      everything: node(realServer('everything')),
      filesystem: node(realServer('filesystem'), place.folder),
      memory: {
        ...node(realServer('memory')),
        env: { MEMORY_FILE_PATH: join(place.folder, 'memory.jsonl') },
      },
    });
  };

  it('finds, looks, runs, polls, offloads, reads a part, and shuts down', async () => {
    realServers();
    const client = await at().client();
    await client.learnt();

    const found = await client.call('search_tools', { query: 'read the content of a text file', limit: 5 });
    expect(found.structuredContent.hits.map((hit: { tool: string }) => hit.tool)).toContain('read_text_file');

    const details = await client.call('get_tool_details', {
      server_name: 'filesystem',
      tool_name: 'read_text_file',
    });
    expect(details.structuredContent.input_schema).toMatchObject({
      properties: { path: { type: 'string' } },
    });

    expect(textOf(await client.execute('everything', 'echo', { message: 'hi there' }))).toBe(
      'Echo: hi there',
    );

    const queued = await client.execute(
      'everything',
      'trigger-long-running-operation',
      { duration: 1, steps: 2 },
      { in_background: true },
    );
    const task_id = queued.structuredContent.task_id;
    const done = await client.call('poll_task_result', { task_id, wait: 30 });
    expect(done.structuredContent.status).toBe('completed');
    expect(textOf(done)).toContain('Long running operation completed');
    expect(await client.call('poll_task_result', { task_id })).toEqual(done);

    const text = Array.from({ length: 9_000 }, (_, index) => `line ${index} ${randomUUID()}`).join('\n');
    writeFileSync(join(at().folder, 'big.txt'), text);
    const large = await client.execute('filesystem', 'read_text_file', {
      path: join(at().folder, 'big.txt'),
    });
    expect(JSON.stringify(large).length).toBeLessThan(40_000);
    const ref_id = /\[Reference: ([0-9a-f-]{36})\]/.exec(textOf(large))?.[1];
    const whole = await client.call('get_content', { ref_id });
    expect(textOf(whole)).toBe(text);
    const chunk = textOf(await client.call('get_content', { ref_id, chunk_index: 1 }));
    expect(chunk).toMatch(/^\[Chunk 2\/\d+\]\n/);
    expect(textOf(await client.call('get_content', { ref_id, lines: '5001-5001' }))).toContain('line 5000 ');

    const running = await client.call('list_running_servers');
    expect(running.structuredContent.servers.map((one: { server: string }) => one.server)).toEqual([
      'everything',
      'filesystem',
    ]);
    for (const server_name of ['everything', 'filesystem'])
      expect(
        (await client.call('manage_server', { server_name, action: 'shutdown' })).structuredContent.state,
      ).toBe('stopped');
    expect((await client.call('list_running_servers')).structuredContent.servers).toEqual([]);
  });

  it('remembers what it learnt: the next start serves search at once and starts nothing', async () => {
    at().servers({ good: good(), other: good() });
    const first = await at().client();
    await first.learnt();
    await first.close();
    const starts = () => at().events('good', 'start').length + at().events('other', 'start').length;
    expect(starts()).toBe(2);
    const second = await at().client();
    const { structuredContent } = await second.call('search_tools', { query: 'echo' });
    expect(structuredContent.hits[0]).toMatchObject({ tool: 'echo', running: false });
    expect((await second.call('get_statistics')).structuredContent).toMatchObject({
      running: 0,
      learning: { waiting: 0 },
    });
    expect(starts()).toBe(2);
  });

  it('learns in the background without keeping servers running', async () => {
    at().servers({ good: good() });
    const client = await at().client();
    await client.learnt();
    await eventually(
      async () => (await client.call('list_running_servers')).structuredContent.servers.length === 0,
    );
  });

  it('one broken server spoils nothing, and list_servers says what is wrong with each', async () => {
    const place = at();
    place.servers({
      good: good(),
      missing: { command: join(place.folder, 'no-such-program') },
      key: node(hostile('exits-immediately')),
      both: { command: 'node', url: 'http://127.0.0.1:9/mcp' },
      off: { ...good(), disabled: true },
    });
    const client = await place.client();
    await client.learnt();
    const { servers, problems } = (await client.call('list_servers')).structuredContent;
    const problem = (name: string) => servers.find((one: { server: string }) => one.server === name)?.problem;
    expect(problem('good')).toBeUndefined();
    expect(problem('missing')).toMatch(/no-such-program/);
    expect(problem('key')).toMatch(/EXAMPLE_API_KEY/);
    expect(problems.join()).toMatch(/"both".*both "command" and "url"/);
    expect(textOf(await client.execute('good', 'echo', { text: 'still' }))).toBe('still');
    const off = await client.execute('off', 'echo', {});
    expect(off.isError).toBe(true);
    expect(textOf(off)).toMatch(/disabled/);
  });

  it('passes a result through as it came', async () => {
    at().servers({ good: good() });
    const client = await at().client();
    const raw = await client.sdk.request(
      {
        method: 'tools/call',
        params: { name: 'execute_tool', arguments: { server_name: 'good', tool_name: 'unknown_block' } },
      },
      { '~standard': { version: 1, vendor: 'raw', validate: (value: unknown) => ({ value }) } } as never,
    );
    expect(raw).toEqual({
      content: [
        { type: 'hologram', depth: 3, annotations: { audience: ['user'], 'x-odd': true } },
        { type: 'text', text: 'beside it', _meta: { 'example.org/k': 1 } },
      ],
      'x-unknown': [1, 2],
      _meta: { 'example.org/trace': 'abc' },
    });
  });

  it('answers two hundred calls at once, to one server and to ten, none crossed', async () => {
    const names = Array.from({ length: 10 }, (_, index) => `s${index}`);
    at().servers(Object.fromEntries(names.map((name) => [name, good()])));
    const client = await at().client();
    const ask = async (server: string) => {
      const text = randomUUID();
      return textOf(await client.execute(server, 'echo', { text })) === text;
    };
    expect(await Promise.all(Array.from({ length: 200 }, () => ask('s0')))).not.toContain(false);
    expect(await Promise.all(Array.from({ length: 200 }, (_, index) => ask(`s${index % 10}`)))).not.toContain(
      false,
    );
    for (const name of names) expect(at().events(name, 'start').length).toBeLessThanOrEqual(2);
  });

  it('everything it started is gone when the client is, and after a signal', async () => {
    for (const end of ['eof', 'SIGTERM', 'SIGINT'] as const) {
      at().servers({
        forks: node(hostile('forks-grandchildren'), '2', 'detached'),
        stubborn: node(hostile('ignores-sigterm')),
        good: good(),
      });
      const client = await at().client();
      for (const name of ['forks', 'stubborn', 'good'])
        expect((await client.execute(name, 'echo', { text: 'x' })).isError).not.toBe(true);
      expect(pidsWith(at().marker).length).toBeGreaterThanOrEqual(6);
      if (end === 'eof') void client.close();
      else process.kill(client.pid, end);
      await eventually(() => pidsWith(at().marker).length === 0, 9_000);
      await eventually(() => !isAlive(client.pid));
      await client.close();
    }
  }, 60_000);
});

describe('bad input and faults', () => {
  const at = workplace();

  it('names the nearest for an unknown server or tool, and the schema for wrong arguments', async () => {
    at().servers({ filesystem: good() });
    const client = await at().client();
    await client.learnt();
    const cases: [Record<string, unknown>, RegExp][] = [
      [{ server_name: 'filesytem', tool_name: 'echo' }, /no server "filesytem"[\s\S]*filesystem/],
      [{ server_name: 'filesystem', tool_name: 'ecko' }, /no tool "ecko"[\s\S]*echo/],
      [{ server_name: 'filesystem' }, /tool_name[\s\S]*"properties"/],
      [{ server_name: 'filesystem', tool_name: 'echo', timeout: -1 }, /timeout/],
    ];
    for (const [args, expected] of cases) {
      const result = await client.call('execute_tool', args);
      expect(result.isError).toBe(true);
      expect(textOf(result)).toMatch(expected);
    }
  });

  it('a server that dies in a call: exit code and last words at once, and the next call starts it again', async () => {
    at().servers({ crash: node(hostile('crash-on-call')) });
    const client = await at().client();
    const died = await client.execute('crash', 'crash', { how: 'exit' });
    expect(died.isError).toBe(true);
    expect(textOf(died)).toMatch(/code 3[\s\S]*last words of crash-on-call/);
    expect(textOf(await client.execute('crash', 'echo', { text: 'again' }))).toBe('again');
  });

  it('a call that hangs ends at its deadline, is cancelled upstream, and harms no other', async () => {
    at().servers({ hang: node(hostile('hang-on-call')) });
    const client = await at().client();
    const hung = client.execute('hang', 'hang', {}, { timeout: 1.5 });
    expect(textOf(await client.execute('hang', 'echo', { text: 'meanwhile' }))).toBe('meanwhile');
    const result = await hung;
    expect(result.isError).toBe(true);
    expect(textOf(result)).toMatch(/may have been executed/);
    await eventually(() => at().events('hang', 'cancelled').length === 1);
    expect(
      new Set(
        at()
          .events('hang')
          .map((event) => event.pid),
      ).size,
    ).toBeLessThanOrEqual(2);
  });

  it('content and tasks that do not exist, and a full queue', async () => {
    at().servers({ good: good() });
    const client = await at().client({
      env: { BACKGROUND_QUEUE_SIZE: '2', BACKGROUND_QUEUE_MAX_SUBSCRIBERS: '1' },
    });
    for (const ref_id of ['nope', '../../etc/passwd', randomUUID()]) {
      const result = await client.call('get_content', { ref_id });
      expect(result.isError).toBe(true);
    }
    expect((await client.call('poll_task_result', { task_id: randomUUID() })).structuredContent.status).toBe(
      'not_found',
    );
    expect((await client.call('cancel_task', { task_id: randomUUID() })).isError).toBe(true);
    const submit = () => client.execute('good', 'sleep', { ms: 20_000 }, { in_background: true });
    const accepted = [await submit(), await submit(), await submit()];
    const full = await submit();
    expect(full.isError).toBe(true);
    expect(textOf(full)).toMatch(/full \(2\)/);
    const ids = accepted.map((one) => one.structuredContent.task_id);
    expect(
      (await client.call('list_tasks')).structuredContent.tasks
        .map((task: { task_id: string }) => task.task_id)
        .sort(),
    ).toEqual(ids.toSorted());
    await eventually(() =>
      at()
        .events('good', 'recv')
        .some((event) => event['method'] === 'tools/call'),
    );
    for (const task_id of ids)
      expect((await client.call('cancel_task', { task_id })).structuredContent.cancelled).toBe(true);
    await eventually(() => at().events('good', 'cancelled').length >= 1);
  });

  it('AUTO_START=false: a call to a stopped server says what to do', async () => {
    at().servers({ good: good() });
    const client = await at().client({ env: { AUTO_START: 'false' } });
    await client.learnt();
    const refused = await client.execute('good', 'echo', { text: 'x' });
    expect(refused.isError).toBe(true);
    expect(textOf(refused)).toMatch(/manage_server/);
    await client.call('manage_server', { server_name: 'good', action: 'start' });
    expect(textOf(await client.execute('good', 'echo', { text: 'x' }))).toBe('x');
  });

  it('a result of 50 MB is kept, its connection lives, and a part can be read', async () => {
    at().servers({ giant: node(hostile('giant-result')) });
    const client = await at().client();
    const bytes = 50 * 1_048_576;
    const large = await client.execute('giant', 'giant', { bytes, kind: 'text' });
    expect(large.isError).not.toBe(true);
    const ref_id = /\[Reference: ([0-9a-f-]{36})\]/.exec(textOf(large))?.[1];
    expect(textOf(await client.call('get_content', { ref_id, chunk_index: 0 }))).toMatch(
      /^\[Chunk 1\/\d+\]\nA+/,
    );
    expect(textOf(await client.execute('giant', 'echo', { text: 'alive' }))).toBe('alive');
  }, 60_000);

  it('an edited servers file takes effect, and leaves running servers alone', async () => {
    at().servers({ a: good() });
    const client = await at().client();
    const pid = textOf(await client.execute('a', 'pid'));
    at().servers({ a: good(), b: good() });
    await eventually(async () => (await client.call('list_servers')).structuredContent.total === 2);
    expect(textOf(await client.execute('b', 'echo', { text: 'new' }))).toBe('new');
    expect(textOf(await client.execute('a', 'pid'))).toBe(pid);
    at().servers({ b: good() });
    await eventually(async () => (await client.call('list_servers')).structuredContent.total === 1);
    await eventually(() => !isAlive(Number(pid)));
  });
});
