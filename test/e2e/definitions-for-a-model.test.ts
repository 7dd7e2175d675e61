import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { eventually, fixture, hostile } from '../support/processes.js';
import { rawClient } from '../support/raw-client.js';
import { bin, good, node, type RuntimeClient, textOf, workplace } from '../support/runtime.js';

/** Control characters but for line feeds and tabs; zero width and bidirectional ones, tags, selectors that carry data. */
const UNSEEN =
  /[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]|[\u{e0000}-\u{e0fff}]/u;

/** Every text in an answer, as a client has it after it read the JSON. */
function texts(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => [key, ...texts(inner)]);
}

/** Everything that a model can read of a server without calling its tools. */
async function readAll(client: RuntimeClient, server_name: string): Promise<unknown[]> {
  const { structuredContent } = await client.call('get_server_tools', { server_name });
  const tools = (structuredContent as { tools: { tool: string }[] }).tools.map(({ tool }) => tool);
  return [
    await client.call('get_server_tools', { server_name }),
    await client.call('get_server_info', { server_name }),
    await client.call('list_servers'),
    await client.call('search_tools', { query: 'add numbers lists files', min_score: 0, limit: 100 }),
    await client.call('search_servers', { query: 'units', min_score: 0 }),
    ...(await Promise.all(
      tools.map((tool_name) => client.call('get_tool_details', { server_name, tool_name })),
    )),
    await client.call('get_tool_details', { server_name, tool_name: 'no\u001b[2J\u202esuch' }),
  ];
}

describe('DWN-11: what servers say of themselves, before a model', () => {
  const at = workplace();

  it.each([
    ['--pin', 's'],
    ['--expose', 'direct'],
  ])(
    'resources and prompts through %s %s: nothing that cannot be seen, nothing too long; good ones can be used',
    async (...args) => {
      at().servers({ s: node(fixture('poisoned-offers.mjs')) });
      const client = await at().client({ args });
      // Until the server was asked what it has, there is none of it.
      await eventually(async () => (await client.sdk.listPrompts()).prompts.length > 0, 20_000);
      const { prompts } = await client.sdk.listPrompts();
      const { resources } = await client.sdk.listResources();
      const { resourceTemplates } = await client.sdk.listResourceTemplates();
      expect([prompts.length, resources.length, resourceTemplates.length]).toEqual([1, 1, 1]);
      for (const text of texts([prompts, resources, resourceTemplates])) {
        expect(UNSEEN.exec(text), JSON.stringify(text.slice(0, 200))).toBeNull();
        expect(Buffer.byteLength(text)).toBeLessThanOrEqual(2_048);
      }
      const { messages } = await client.sdk.getPrompt({ name: prompts[0]?.name ?? '' });
      expect(messages).toMatchObject([{ content: { text: 'good' } }]);
    },
    60_000,
  );

  it.each(['poisoned-description', 'ansi-output'])(
    '%s: nothing that cannot be seen, nothing too long, by no way; what is odd is told',
    async (name) => {
      at().servers({ s: node(hostile(name)) });
      const client = await at().client({ args: ['--pin', 's'] });
      await client.learnt();
      const direct = await rawClient(
        [process.execPath, bin, 'serve', '--engine', 'embedded', '--expose', 'direct'],
        {
          env: at().env,
        },
      );
      const pinned = await client.sdk.listTools();
      const listed = (await direct.request('tools/list')).result as { tools: { description: string }[] };
      await direct.close();
      const answers = [...(await readAll(client, 's')), pinned, listed];
      // Of the question itself the error repeats nothing that was hidden in it.
      for (const text of texts(answers))
        expect(UNSEEN.exec(text), JSON.stringify(text.slice(0, 200))).toBeNull();
      const foreign = pinned.tools.filter((tool) => tool.name.startsWith('s__'));
      expect(foreign.length).toBeGreaterThan(3);
      for (const { description = '' } of [...foreign, ...listed.tools])
        expect(Buffer.byteLength(description)).toBeLessThanOrEqual(2_048);
      const info = await client.call('get_server_info', { server_name: 's' });
      const { warnings } = info.structuredContent as { warnings: string[] };
      expect(warnings.join()).toContain('characters that cannot be seen');
      if (name === 'poisoned-description') {
        expect(warnings.join()).toContain('orders to the model');
        expect(warnings.join()).toContain('names files with secrets');
        expect(warnings.join()).toContain('a text of more than 16 KB');
        const findings = (await at().command('doctor'))['findings'] as { message: string }[];
        expect(findings.map(({ message }) => message).join()).toContain('orders to the model');
      }
      // What is odd to read can be called all the same, and its results stay as they are.
      const [tool, said] = name === 'ansi-output' ? ['echo', 'echo'] : ['report_usage', 'Done. '];
      expect(textOf(await client.execute('s', tool as string))).toContain(said);
    },
    60_000,
  );

  it('results pass as they came', async () => {
    at().servers({ s: node(hostile('ansi-output')) });
    const client = await at().client();
    expect(textOf(await client.execute('s', 'paint'))).toContain('\u001b[2J');
  });

  it('a log has one record in a line, and no control character', async () => {
    at().servers({ s: node(hostile('ansi-output')), t: node(hostile('exits-immediately')) });
    const words = [bin, 'call', 's', 'err', '--log-level', 'debug'];
    const { stderr } = await promisify(execFile)(process.execPath, words, { env: at().env }).catch(
      (error: { stderr: string }) => error,
    );
    const lines = stderr.split('\n').filter((line) => line.startsWith('{'));
    expect(lines.length).toBeGreaterThan(0);
    for (const line of lines) {
      expect(line).toMatch(/^[\x20-\x7e\u00a1-\u{10ffff}]*$/u);
      expect(() => JSON.parse(line) as unknown).not.toThrow();
      expect(JSON.parse(line)).not.toMatchObject({ msg: 'auth ok' });
    }
    expect(stderr).not.toContain('\u001b');
    expect(stderr).not.toContain('\u009b');
  });
});

describe('a tool whose schema alone fills a context', () => {
  const at = workplace();

  it('is told in outline, with a way to read the rest in parts; it can be called', async () => {
    at().servers({ s: node(hostile('wide-schema')) });
    const client = await at().client();
    await client.learnt();
    const details = async (tool_name: string) =>
      (await client.call('get_tool_details', { server_name: 's', tool_name })) as unknown as {
        structuredContent: Record<'input_schema' | 'output_schema', StandIn>;
      };
    interface StandIn {
      ref_id: string;
      outline: string;
      note: string;
      properties?: Record<string, { description: string }>;
    }
    const wide = await details('wide');
    expect(JSON.stringify(wide).length).toBeLessThan(8_000);
    const { input_schema, output_schema } = wide.structuredContent;
    for (const told of [input_schema, output_schema]) {
      expect(told.outline).toContain('p_0: {type: string');
      expect(told.note).toContain(told.ref_id);
    }
    const part = await client.call('get_content', {
      ref_id: input_schema.ref_id,
      json_path: '$.properties.p_12345.description',
    });
    expect(textOf(part)).toContain('What stands in field 12345 of the form.');
    expect(textOf(await client.execute('s', 'wide', { p_7: 'x' }))).toContain('wide took p_7');
    // More than a result may have, but needed for a call.
    const some = (await details('some')).structuredContent.input_schema.properties;
    expect(Object.keys(some ?? {})).toHaveLength(300);
    expect(some?.['p_99']?.description).toBe('What stands in field 99 of the form.');
  }, 60_000);
});

describe('DWN-12: names', () => {
  const at = workplace();

  it('bad ones are left out with the reason, the rest is used; a call reaches exactly its server and tool', async () => {
    at().servers({ bad: node(hostile('bad-tool-names')), other: good() });
    const client = await at().client({ args: ['--pin', 'bad'] });
    await client.learnt();
    const { structuredContent } = await client.call('get_server_tools', { server_name: 'bad', limit: 100 });
    const names = (structuredContent as { tools: { tool: string }[] }).tools.map(({ tool }) => tool);
    expect(names).toEqual([
      'read',
      '__proto__',
      'constructor',
      'toString',
      'execute_tool',
      'search_tools',
      'semantic_router',
      'a__read',
      'other/read',
      '../read',
      'read:read',
      'ünïcode',
      'with space',
      'READ',
    ]);
    const info = await client.call('list_servers');
    expect(textOf(info)).toContain('name is missing');
    for (const name of names)
      expect(textOf(await client.execute('bad', name)), name).toBe(`bad-tool-names ran ${name}`);
    expect(textOf(await client.execute('bad', 'valueOf'))).toContain('no tool "valueOf"');
    expect(textOf(await client.execute('__proto__', 'read'))).toContain('no server');
    expect(textOf(await client.execute('constructor', 'read'))).toContain('no server');

    // Our own tools are ours, whatever others call theirs.
    const { tools } = await client.sdk.listTools();
    expect(new Set(tools.map(({ name }) => name)).size).toBe(tools.length);
    expect(tools.find(({ name }) => name === 'search_tools')?.description).toContain(
      'Find the tool for a job',
    );
    for (const { name } of tools) expect(name).toMatch(/^[A-Za-z0-9_.-]{1,64}$/);
    const hidden = tools.filter(({ name }) => name.startsWith('bad__'));
    expect(hidden).toHaveLength(names.length);
    const said = await Promise.all(
      hidden.map(async ({ name }) => {
        const { content } = await client.sdk.callTool({ name, arguments: {} });
        return (content as { text: string }[])[0]?.text;
      }),
    );
    expect(said).toEqual(names.map((name) => `bad-tool-names ran ${name}`));
    expect((await client.call('get_statistics')).structuredContent).toMatchObject({ servers: 2 });
  }, 60_000);

  it('servers whose names read alike are told apart', async () => {
    const servers = ['a_b', 'a__b', 'A_B', 'a', 'b__read'];
    const calls = (name: string) =>
      at()
        .events(name, 'recv')
        .filter(({ method }) => method === 'tools/call').length;
    at().servers(
      Object.fromEntries(
        servers.map((name) => [name, { ...good(), env: { GOOD_NAME: name, GOOD_TOOLS: '1' } }]),
      ),
    );
    const client = await at().client({ args: servers.flatMap((name) => ['--pin', name]) });
    await client.learnt();
    for (const name of servers) {
      await client.execute(name, 'echo', { text: `to ${name}` });
      expect(calls(name), name).toBe(1);
    }
    const { tools } = await client.sdk.listTools();
    const echoes = tools.filter(
      ({ name, description }) => /echo/.test(name) && description?.startsWith('Gives back'),
    );
    expect(echoes).toHaveLength(servers.length);
    expect(new Set(echoes.map(({ name }) => name)).size).toBe(servers.length);
    for (const { name } of echoes) await client.sdk.callTool({ name, arguments: { text: 'x' } });
    for (const name of servers) expect(calls(name), name).toBe(2);
  }, 60_000);
});
