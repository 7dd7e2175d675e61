import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { eventually } from '../support/processes.js';
import { type RawClient, rawClient } from '../support/raw-client.js';
import { bin, type CallResult, good, node, realServer, textOf, workplace } from '../support/runtime.js';

type Place = ReturnType<ReturnType<typeof workplace>>;

function policy(place: Place, content: unknown): void {
  mkdirSync(place.home, { recursive: true, mode: 0o700 });
  writeFileSync(
    join(place.home, 'policy.json'),
    typeof content === 'string' ? content : JSON.stringify(content),
  );
}

const idOf = (answer: CallResult) => ({ task_id: answer.structuredContent.task_id as string });

/** The answer without what may differ: the name that was asked for. */
const without = (answer: CallResult, name: string) => textOf(answer).replaceAll(name, '<name>');

describe('what the policy denies', () => {
  const at = workplace();

  it('POL-01: is not there, on any path, and is answered like what does not exist', async () => {
    const place = at();
    place.servers({ good: good(), vault: good(), files: node(realServer('everything')) });
    policy(place, { deny: ['vault', 'good/counter', { server: 'files', tool: 'echo' }] });
    const client = await place.client();
    await client.learnt();

    const list = (await client.call('list_servers')).structuredContent;
    expect(list.servers.map(({ server }: { server: string }) => server)).toEqual(['good', 'files']);
    const stats = (await client.call('get_statistics')).structuredContent;
    expect(stats.servers).toBe(2);
    for (const query of ['vault', 'counts how often it was called', 'echo a text'])
      for (const search of ['search_tools', 'search_servers']) {
        const found = JSON.stringify(await client.call(search, { query, min_score: 0, limit: 100 }));
        expect(found).not.toMatch(/vault|"tool":"counter"|"server":"files","tool":"echo"/);
      }
    const tools = (await client.call('get_server_tools', { server_name: 'good' })).structuredContent;
    expect(JSON.stringify(tools)).not.toContain('counter');
    expect(tools.total).toBe(tools.tools.length);
    expect(JSON.stringify(await client.call('get_server_info', { server_name: 'good' }))).not.toMatch(
      /counter|Counts/,
    );

    const asks: ((server: string) => Promise<CallResult>)[] = [
      (server_name) => client.call('get_server_info', { server_name }),
      (server_name) => client.call('get_server_tools', { server_name }),
      (server_name) => client.call('get_tool_details', { server_name, tool_name: 'echo' }),
      (server_name) => client.call('manage_server', { server_name, action: 'start' }),
      (server_name) => client.call('manage_server', { server_name, action: 'shutdown' }),
      (server_name) => client.call('get_content', { ref_id: 'file:///x', server_name }),
      (server) => client.execute(server, 'echo', { text: 'x' }),
      (server) => client.execute(server, 'echo', { text: 'x' }, { in_background: true }),
    ];
    for (const ask of asks) {
      const hidden = await ask('vault');
      expect(hidden.isError).toBe(true);
      expect(hidden.structuredContent.error.code).toBe('SERVER_NOT_FOUND');
      expect(without(hidden, 'vault')).toBe(without(await ask('vaulx'), 'vaulx'));
    }
    const toolAsks: ((tool: string) => Promise<CallResult>)[] = [
      (tool_name) => client.call('get_tool_details', { server_name: 'good', tool_name }),
      (tool) => client.execute('good', tool),
      (tool) => client.execute('good', tool, {}, { in_background: true }),
    ];
    for (const ask of toolAsks) {
      const hidden = await ask('counter');
      expect(hidden.structuredContent.error.code).toBe('TOOL_NOT_FOUND');
      expect(without(hidden, 'counter')).toBe(without(await ask('countex'), 'countex'));
    }
    const running = (await client.call('list_running_servers')).structuredContent.servers;
    expect(running.map(({ server }: { server: string }) => server)).not.toContain('vault');
    expect(textOf(await client.execute('good', 'echo', { text: 'allowed' }))).toBe('allowed');
    expect(place.events('good', 'done').filter(({ tool }) => tool === 'counter')).toEqual([]);
  }, 60_000);

  it('POL-02: is not shown as ours either: direct, pinned, behind the router; resources and prompts', async () => {
    const place = at();
    place.servers({ files: node(realServer('everything')), vault: node(realServer('everything')) });
    policy(place, { deny: ['vault', 'files/echo', { tool: 'get-env' }] });
    const direct = await place.client({ args: ['--expose', 'direct'] });
    const names = (await direct.sdk.listTools()).tools.map(({ name }) => name);
    expect(names.length).toBeGreaterThan(3);
    expect(names.join()).not.toMatch(/echo|get-env|vault/);
    for (const name of ['echo', 'files__echo', 'vault__get-sum'])
      await expect(direct.sdk.callTool({ name, arguments: {} })).rejects.toThrow(/no such tool/);
    // All that is listed comes of one server: the other one has the same.
    const { resources } = await direct.sdk.listResources();
    expect(new Set(resources.map(({ uri }) => uri)).size).toBe(resources.length);
    await direct.close();

    const pinned = await place.client({ args: ['--pin', 'vault', 'files/echo', 'files/get-sum'] });
    await pinned.learnt();
    const beside = (await pinned.sdk.listTools()).tools.map(({ name }) => name);
    expect(beside.filter((name) => /sum/.test(name))).toHaveLength(1);
    expect(beside.join()).not.toMatch(/vault|echo/);
    await pinned.close();

    const router = await place.client({ args: ['--expose', 'router'] });
    const routed = (tool_name: string) =>
      router.call('semantic_router', {
        operation: 'execute_tool',
        server_name: 'files',
        tool_name,
        arguments: {},
      });
    expect(without(await routed('echo'), 'echo')).toBe(without(await routed('echx'), 'echx'));
  }, 60_000);

  it('POL-03: counts at once when the file changes, for what waits in the queue too', async () => {
    const place = at();
    place.servers({ good: good() });
    const client = await place.client({ env: { BACKGROUND_QUEUE_MAX_SUBSCRIBERS: '1' } });
    await client.learnt();
    await client.execute('good', 'sleep', { ms: 2_500 }, { in_background: true });
    const waiting = idOf(await client.execute('good', 'counter', {}, { in_background: true }));
    policy(place, { allow: [{ server: 'good', readOnly: true }] });
    await eventually(async () => {
      const { isError } = await client.call('get_tool_details', {
        server_name: 'good',
        tool_name: 'counter',
      });
      return isError === true;
    });
    const end = await client.call('poll_task_result', { ...waiting, wait: 20 });
    expect(end.structuredContent).toMatchObject({ status: 'failed', error: { code: 'TOOL_NOT_FOUND' } });
    expect(place.events('good', 'done').filter(({ tool }) => tool === 'counter')).toEqual([]);
    expect(textOf(await client.execute('good', 'echo', { text: 'read' }))).toBe('read');

    // What cannot be understood changes nothing, and is said.
    policy(place, '{ "allow": [], "dney": [] }');
    await eventually(async () =>
      JSON.stringify(await client.call('list_servers')).includes('did you mean \\"deny\\"'),
    );
    expect(textOf(await client.execute('good', 'echo', { text: 'still' }))).toBe('still');
    expect((await client.execute('good', 'counter')).isError).toBe(true);
  }, 60_000);

  it('POL-04: a policy that is not valid from the start lets nothing through until it is corrected', async () => {
    const place = at();
    place.servers({ good: good() });
    policy(place, { dney: ['good'] });
    const client = await place.client();
    const refused = await client.execute('good', 'echo', { text: 'x' });
    expect(refused.structuredContent.error.code).toBe('CONFIG_INVALID');
    expect(textOf(refused)).toMatch(/did you mean "deny"/);
    expect(without(await client.execute('other', 'echo'), 'other')).toBe(without(refused, 'good'));
    const doctor = await place.command('doctor');
    expect(doctor.exitCode).toBe(10);
    expect(JSON.stringify(doctor)).toContain('policy file');
    policy(place, {});
    await eventually(async () => (await client.execute('good', 'echo', { text: 'x' })).isError !== true);
  }, 60_000);

  it('POL-05: clients by the name they give, and the policy of a definition', async () => {
    const place = at();
    place.servers({ good: { ...good(), policy: { allow: ['echo', { tool: 'pid', client: 'trusted*' }] } } });
    policy(place, { deny: [{ server: 'good', client: 'guest' }] });
    const [trusted, other, guest] = await Promise.all(
      ['trusted-one', 'other', 'guest'].map((name) => place.client({ name })),
    );
    for (const client of [trusted, other, guest]) await client?.learnt();
    const code = async (client: typeof trusted, tool: string) =>
      (await client?.execute('good', tool, { text: 't' }))?.structuredContent?.error?.code;
    expect(await code(trusted, 'pid')).toBeUndefined();
    expect(await code(other, 'pid')).toBe('TOOL_NOT_FOUND');
    expect(await code(other, 'echo')).toBeUndefined();
    expect(await code(other, 'counter')).toBe('TOOL_NOT_FOUND');
    expect(await code(guest, 'echo')).toBe('SERVER_NOT_FOUND');
  }, 60_000);
});

describe('calls that a person must confirm', () => {
  const at = workplace();
  const call = async (client: RawClient, tool_name: string, more: object = {}): Promise<CallResult> => {
    const params = {
      name: 'execute_tool',
      arguments: { server_name: 'good', tool_name, arguments: { text: 'plain', key: 'k' }, ...more },
    };
    return (await client.request('tools/call', params)).result as CallResult;
  };
  const serve = (...args: string[]) => [process.execPath, bin, 'serve', '--engine', 'embedded', ...args];
  const open: RawClient[] = [];
  afterEach(() => Promise.all(open.splice(0).map((client) => client.close())));
  const asking = async (answer: () => unknown, seen: unknown[], args: string[] = []) => {
    const client = await rawClient(serve(...args), {
      env: at().env,
      capabilities: { elicitation: {} },
      answers: {
        'elicitation/create': (params) => {
          seen.push(params);
          return answer();
        },
      },
    });
    open.push(client);
    return client;
  };
  const counted = () =>
    at()
      .events('good', 'done')
      .filter(({ tool }) => tool === 'counter').length;

  it('POL-06: destructive ones are asked about, with their arguments; yes runs, no does not', async () => {
    at().servers({ good: { ...good(), policy: { confirm: 'destructive' } } });
    let action = 'accept';
    const seen: { message: string }[] = [];
    const client = await asking(() => ({ action }), seen);
    expect((await call(client, 'counter')).isError).not.toBe(true);
    expect(seen).toHaveLength(1);
    expect(seen[0]?.message).toMatch(/"counter" of the server "good".*"key":"k"/);
    // One that only reads is not asked about.
    expect(textOf(await call(client, 'echo'))).toBe('plain');
    expect(seen).toHaveLength(1);
    for (action of ['decline', 'cancel', 'nonsense']) {
      const refused = await call(client, 'counter');
      expect(refused.structuredContent.error.code).toBe('NOT_CONFIRMED');
      expect(textOf(refused)).toMatch(/was declined.*was not run/s);
    }
    expect(counted()).toBe(1);

    // In the background it is asked before it is accepted.
    const before = seen.length;
    const declined = await call(client, 'counter', { in_background: true });
    expect(declined.structuredContent.error.code).toBe('NOT_CONFIRMED');
    action = 'accept';
    const accepted = await call(client, 'counter', { in_background: true });
    expect(seen).toHaveLength(before + 2);
    await eventually(() => counted() === 2);
    expect(accepted.structuredContent.status).toBe('queued');
    await client.close();

    // The same tool shown as if it were ours.
    const direct = await asking(() => ({ action: 'decline' }), seen, ['--expose', 'direct']);
    const { result } = await direct.request('tools/call', { name: 'counter', arguments: {} });
    expect(JSON.stringify(result)).toContain('NOT_CONFIRMED');
    expect(counted()).toBe(2);
    await direct.close();
  }, 60_000);

  it('POL-07: a client that cannot be asked is refused plainly; "always" and rules', async () => {
    const place = at();
    place.servers({ good: good() });
    policy(place, { confirm: ['good/counter', { server: 'good', readOnly: true }] });
    const client = await place.client();
    await client.learnt();
    for (const more of [{}, { in_background: true }])
      for (const tool of ['counter', 'echo']) {
        const refused = await client.execute('good', tool, { text: 'x' }, more);
        expect(refused.structuredContent.error.code).toBe('NOT_CONFIRMED');
        expect(textOf(refused)).toMatch(/cannot be asked.*elicitation/s);
      }
    const cli = await place.command('call', 'good', 'counter');
    expect(cli.exitCode).toBe(4);
    expect(textOf(await client.execute('good', 'blob', { bytes: 3 }))).toBe('012');
    policy(place, { confirm: 'always' });
    await eventually(async () => (await client.execute('good', 'blob', { bytes: 3 })).isError === true);
    expect(counted()).toBe(0);
  }, 60_000);
});
