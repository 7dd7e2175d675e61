import { describe, expect, it } from 'vitest';
import { bench, errorOf, textOf, within } from '../support/upstream.js';

const bed = bench();
const MIB = 1_024 * 1_024;

describe('DWN-09 lists without end', () => {
  it.each([
    ['same', /same cursor twice/],
    ['pingpong', /same cursor twice/],
    ['endless', /brought nothing new/],
    ['number', /not a string/],
    ['huge', /brought nothing new|longer than/],
  ])('%s: ends with its tools and the reason', async (mode, reason) => {
    const session = await bed().hostile('looping-cursor', [mode]);
    const { tools, problems } = await session.listTools(within());
    expect(tools.map((tool) => tool.name)).toEqual(['one', 'two']);
    expect(problems.join('\n')).toMatch(reason);
    expect(bed().events('page').length).toBeLessThanOrEqual(12);
  });

  it('empty: is the end', async () => {
    const session = await bed().hostile('looping-cursor', ['empty']);
    expect((await session.listTools(within())).problems).toEqual([]);
  });

  it.each([
    ['10000', '0'],
    ['10000', '100'],
  ])('%s tools in pages of %s: all of them', async (count, size) => {
    const session = await bed().hostile('10k-tools', [count, size]);
    const { tools, problems } = await session.listTools(within(20_000));
    expect(problems).toEqual([]);
    expect(tools).toHaveLength(10_000);
    expect(tools[9_999]?.name).toBe('tool_09999');
  });

  it('more tools than are accepted: the rest is left out and told', async () => {
    const session = await bed().hostile('10k-tools', ['20010', '5000']);
    const { tools, problems } = await session.listTools(within(25_000));
    expect(tools).toHaveLength(20_000);
    expect(problems.join('\n')).toMatch(/left out|not be complete/);
  });
});

describe('DWN-13 odd tools', () => {
  it('are kept verbatim where they can be, with a word on what is wrong', async () => {
    const session = await bed().hostile('bad-schema');
    const { tools, problems } = await session.listTools(within());
    const byName = new Map(tools.map((tool) => [tool.name, tool]));
    expect(byName.size).toBe(16);
    expect(byName.get('none')).toEqual({ name: 'none', description: 'no schema' });
    expect(byName.get('nullschema')?.inputSchema).toBeNull();
    expect(byName.get('objdesc')?.description).toBeUndefined();
    expect(problems).toEqual([expect.stringContaining('"objdesc"')]);
  });
});

describe('DWN-14 nesting without end', () => {
  it.each([3_000, 100_000, 1_000_000])('%i levels fail that call alone', async (depth) => {
    const session = await bed().hostile('deep-nested');
    for (const kind of ['array', 'object']) {
      const error = await errorOf(session.callTool('deep', { depth, kind }, within(15_000)));
      expect(error.code).toBe('UPSTREAM_PROTOCOL');
      expect(error.message).toContain('nested deeper than 1000 levels');
    }
    expect(await textOf(session.callTool('deeptext', { depth: 3_000 }, within()))).toHaveLength(6_000);
    expect(await textOf(session.callTool('echo', { text: 'alive' }, within()))).toBe('alive');
  });

  it('drops a tool with such a schema', async () => {
    const session = await bed().hostile('deep-nested', ['100000', 'schema']);
    const { tools, problems } = await session.listTools(within());
    expect(tools).toEqual([]);
    expect(problems).toEqual([expect.stringContaining('nested deeper than')]);
  });
});

describe('DWN-14 names that mean something to JavaScript', () => {
  it.each(['result', 'content', 'error', 'message', 'params', 'id'])(
    'in the %s: change nothing here, arrive as they were',
    async (where) => {
      const session = await bed().hostile('proto-keys');
      const answer = session.callTool('proto', { where }, within());
      if (where === 'error') expect((await errorOf(answer)).code).toBe('UPSTREAM_ERROR');
      else expect((await answer).value.content?.[0]?.['text']).toBe('ok');
      if (where === 'result')
        expect(Buffer.from((await answer).bytes).toString()).toContain('"__proto__":{"polluted":true}');
      expect(Reflect.get({}, 'polluted')).toBeUndefined();
      expect(await textOf(session.callTool('echo', { text: 'alive' }, within()))).toBe('alive');
    },
  );
});

describe('RES-01 giant results', () => {
  it.each(['text', 'blob', 'blocks'])('%s of 11 MiB arrives whole', async (kind) => {
    const session = await bed().hostile('giant-result');
    const payload = await session.callTool('giant', { bytes: 11 * MIB, kind }, within(25_000));
    const { content } = payload.value;
    if (kind === 'blocks') expect(content).toHaveLength(Math.floor((11 * MIB) / 100));
    else expect(String(content?.[0]?.[kind === 'text' ? 'text' : 'data'])).toHaveLength(11 * MIB);
  });

  it('50 MiB arrives as bytes, and other calls are answered meanwhile', async () => {
    const session = await bed().hostile('giant-result');
    const giant = session.callTool('giant', { bytes: 50 * MIB }, within(25_000));
    expect((await giant).byteLength).toBeGreaterThan(50 * MIB);
    expect(await textOf(session.callTool('echo', { text: 'alive' }, within()))).toBe('alive');
  });

  it('above the limit fails that call alone and is never held', async () => {
    const session = await bed().hostile('giant-result', [], { options: { maxMessageBytes: MIB } });
    const before = process.memoryUsage().rss;
    const error = await errorOf(session.callTool('giant', { bytes: 150 * MIB }, within(25_000)));
    expect(error.code).toBe('RESULT_TOO_LARGE');
    expect(error.data).toMatchObject({ limit: MIB });
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * MIB);
    expect(await textOf(session.callTool('echo', { text: 'alive' }, within()))).toBe('alive');
  });
});

describe('RES-02 pipes that fill', () => {
  it.each([[], ['noeol']])('stderr of 20 MiB (%s) is drained, the last 64 KiB are kept', async (...mode) => {
    const session = await bed().hostile('giant-stderr', [String(20 * MIB), ...mode.flat()]);
    expect(await textOf(session.callTool('flood', {}, within(20_000)))).toBe('flooded');
    const end = await session.close();
    expect(end.stderr?.length).toBeGreaterThan(60_000);
    expect(end.stderr?.length).toBeLessThanOrEqual(64 * 1_024);
  });

  it('input that is never read: the deadline covers the write, and says so', async () => {
    const session = await bed().hostile('never-reads-stdin');
    await session.listTools(within());
    const text = 'x'.repeat(300_000);
    const started = performance.now();
    const errors = await Promise.all(
      Array.from({ length: 5 }, () => errorOf(session.callTool('swallow', { text }, within(700)))),
    );
    expect(performance.now() - started).toBeLessThan(5_000);
    expect(errors.map((error) => error.code)).toEqual(Array(5).fill('TIMEOUT'));
    expect(errors[4]?.message).toContain('does not read its input');
    expect(errors[4]?.message).toContain('was not executed');
    await session.close();
  });

  it('input that is read by nobody from the start', async () => {
    const error = await errorOf(
      bed().hostile('never-reads-stdin', ['always'], { definition: { startTimeoutMs: 600 } }),
    );
    expect(error.message).toContain('did not answer initialize within 600 ms');
  });
});
