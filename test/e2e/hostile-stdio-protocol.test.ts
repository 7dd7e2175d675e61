import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Progress, UpstreamEvent } from '../../src/core/upstream.js';
import { eventually } from '../support/processes.js';
import { bench, errorOf, textOf, within } from '../support/upstream.js';

const bed = bench();
const MIB = 1_024 * 1_024;

describe('DWN-01 noise on stdout', () => {
  it('is skipped, counted, and told at most once a minute', async () => {
    const session = await bed().hostile('stdout-noise', ['20000']);
    const events: UpstreamEvent[] = [];
    session.subscribe((event) => events.push(event));
    for (let i = 0; i < 3; i += 1) {
      expect(await textOf(session.callTool('noisy', { text: `n${i}` }, within()))).toBe(`n${i}`);
    }
    expect(events).toEqual([]);
  });
});

describe('DWN-02 answers that are no answers', () => {
  const readable = ['truncated', 'array', 'nojsonrpc', 'both', 'neither', 'badresult', 'baderror', 'badutf8'];
  it.each(readable)('%s: that call fails at once, the connection lives', async (kind) => {
    const session = await bed().hostile('invalid-json');
    const error = await errorOf(session.callTool('bad', { kind }, within(15_000)));
    expect(error.code).toBe('UPSTREAM_PROTOCOL');
    expect(error.message).toContain('invalid-json');
    expect(error.message).toContain('may have been executed');
    expect(await textOf(session.callTool('echo', { text: 'alive' }, within()))).toBe('alive');
  });

  it.each(['null', 'number', 'nul'])(
    '%s: the call ends at its deadline, the connection lives',
    async (kind) => {
      const session = await bed().hostile('invalid-json');
      expect((await errorOf(session.callTool('bad', { kind }, within(300)))).code).toBe('TIMEOUT');
      expect(await textOf(session.callTool('echo', { text: 'alive' }, within()))).toBe('alive');
    },
  );

  it('takes the last of two members of one name, as JSON.parse does', async () => {
    const session = await bed().hostile('invalid-json');
    expect(await textOf(session.callTool('bad', { kind: 'dupkeys' }, within()))).toBe('second');
  });

  it('passes content on that only its reader can judge', async () => {
    const session = await bed().hostile('invalid-json');
    const { value } = await session.callTool('bad', { kind: 'badcontent' }, within());
    expect(value.content).toHaveLength(3);
  });
});

describe('DWN-03 wrong, repeated and late ids', () => {
  it.each(['other', 'string', 'null', 'float', 'missing'])(
    'an answer with the id %s answers nothing',
    async (how) => {
      const session = await bed().hostile('wrong-id');
      expect((await errorOf(session.callTool('wrong', { how }, within(300)))).code).toBe('TIMEOUT');
      expect(await textOf(session.callTool('echo', { text: 'alive' }, within()))).toBe('alive');
    },
  );

  it('the first answer counts, later ones reach nobody', async () => {
    const session = await bed().hostile('duplicate-response', ['150']);
    expect(await textOf(session.callTool('twice', {}, within()))).toBe('first');
    const seen: string[] = [];
    for (let i = 0; i < 40; i += 1) {
      seen.push(await textOf(session.callTool('echo', { text: `e${i}` }, within())));
      await new Promise((resolve) => setTimeout(resolve, 8));
    }
    expect(seen).toEqual(Array.from({ length: 40 }, (_, i) => `e${i}`));
    expect(bed().events('late')).toHaveLength(1);
    const ids = bed()
      .events('recv')
      .flatMap((event) => (event['id'] === undefined ? [] : [event['id']]));
    expect(new Set(ids).size).toBe(ids.length);
  });
});

describe('DWN-04 torn text', () => {
  const sample = 'aé—漢字🎉👩‍👩‍👧‍👦 e\u0301 \u2028LS\u2029PS\u0085NEL ÄÖÜß ع 𝔘 end';
  it.each(['1', '2', '3', '7'])('in pieces of %s bytes arrives byte for byte', async (bytes) => {
    const session = await bed().hostile('unicode-split', [bytes]);
    const text = await textOf(session.callTool('sample', {}, within(20_000)));
    expect(createHash('sha256').update(text).digest('hex')).toBe(
      createHash('sha256').update(sample).digest('hex'),
    );
    expect(await textOf(session.callTool('surrogate', {}, within()))).toBe('lone \ud83d surrogate');
  });

  it('halves of messages, and two in one write', async () => {
    const session = await bed().hostile('half-lines', ['30']);
    expect(await textOf(session.callTool('echo', { text: 'half' }, within()))).toBe('half');
    const events: UpstreamEvent[] = [];
    session.subscribe((event) => events.push(event));
    expect(await textOf(session.callTool('two', {}, within()))).toBe('glued');
    expect(events).toEqual([{ type: 'log', level: 'info', data: 'glued' }]);
    const error = await errorOf(session.callTool('bye', {}, within()));
    expect(error.code).toBe('SERVER_DIED');
    expect(error.message).toMatch(/unfinished message of \d+ bytes/);
  });
});

describe('DWN-05 a call that hangs', () => {
  it('holds back no other, ends at its deadline, and the server is told', async () => {
    const session = await bed().hostile('hang-on-call');
    const hanging = errorOf(session.callTool('hang', {}, within(1_500)));
    const echos = Array.from({ length: 50 }, (_, i) =>
      textOf(session.callTool('echo', { text: String(i) }, within(1_400))),
    );
    expect(await Promise.all(echos)).toHaveLength(50);
    expect((await hanging).code).toBe('TIMEOUT');
    const hung = bed()
      .events('recv')
      .find((event) => event['method'] === 'tools/call');
    const told = await eventually(() => bed().events('cancelled')[0]);
    expect(told['requestId']).toBe(hung?.['id']);
    expect(bed().events('start')).toHaveLength(1);
  });
});

describe('DWN-06 an answer after the deadline', () => {
  it('the work is done once, and the late answer reaches nobody', async () => {
    const session = await bed().hostile('late-response');
    const error = await errorOf(session.callTool('late', { ms: 500, key: 'k' }, within(200)));
    expect(error.code).toBe('TIMEOUT');
    expect(error.message).toContain('may have been executed');
    await eventually(() => bed().events('done').length > 0);
    const next = await Promise.all(
      Array.from({ length: 5 }, (_, i) => textOf(session.callTool('echo', { text: `n${i}` }, within()))),
    );
    expect(next).toEqual(['n0', 'n1', 'n2', 'n3', 'n4']);
    expect(bed().events('done')).toMatchObject([{ key: 'k' }]);
    expect(bed().events('cancelled')).toHaveLength(1);
  });
});

describe('DWN-07 a flood of progress', () => {
  it('is thinned to ten a second, does not prolong the call, and ends with a cancel', async () => {
    const session = await bed().hostile('progress-flood', ['5000']);
    const seen: Progress[] = [];
    const error = await errorOf(
      session.callTool('work', {}, within(1_500, { onProgress: (progress) => seen.push(progress) })),
    );
    expect(error.code).toBe('TIMEOUT');
    expect(seen.length).toBeGreaterThan(2);
    expect(seen.length).toBeLessThanOrEqual(18);
    expect(seen.map((one) => one.progress)).toEqual(
      [...seen.map((one) => one.progress)].sort((a, b) => a - b),
    );
    await eventually(() => bed().events('cancelled').length === 1);
    const count = seen.length;
    expect(await textOf(session.callTool('echo', { text: 'alive' }, within()))).toBe('alive');
    expect(seen).toHaveLength(count);
  });

  it('of log messages is cut to fifty a second', async () => {
    const session = await bed().hostile('progress-flood', ['5000']);
    const events: UpstreamEvent[] = [];
    session.subscribe((event) => events.push(event));
    await errorOf(session.callTool('work', { how: 'log' }, within(1_200)));
    expect(events.length).toBeGreaterThan(10);
    expect(events.length).toBeLessThanOrEqual(150);
  });
});

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
    const session = await bed().hostile('10k-tools', ['100010', '20000']);
    const { tools, problems } = await session.listTools(within(25_000));
    expect(tools.length).toBeLessThanOrEqual(100_000);
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

describe('DWN-15 requests of the server, and versions', () => {
  it('answers each at once', async () => {
    const session = await bed().hostile('server-requests', ['5000']);
    const answers = JSON.parse(await textOf(session.callTool('ask', { what: 'all' }, within())));
    expect(answers.ping).toEqual({ result: {} });
    for (const kind of ['sampling', 'elicit-form', 'elicit-url', 'roots', 'unknown'])
      expect(answers[kind].code).toBe(-32601);
    expect(await textOf(session.callTool('ask', { what: 'flood' }, within()))).toBe('unanswered: 0');
  });

  it.each([
    ['future', '2099-01-01'],
    ['old', '2023-01-01'],
    ['missing', 'no protocol version'],
    ['number', '20251125'],
    ['error', '1999-01-01'],
    ['moderror', '2099-01-01'],
  ])('%s: names both versions, ends the server, is not retryable', async (mode, theirs) => {
    const error = await errorOf(bed().hostile('version-mismatch', [mode]));
    expect(error.code).toBe('SERVER_START_FAILED');
    expect(error.message).toContain(theirs);
    expect(error.message).toContain('2025-11-25');
    expect(error.retryable).toBe(false);
  });

  it('nocaps: works all the same', async () => {
    const session = await bed().hostile('version-mismatch', ['nocaps']);
    expect(session.identity).toEqual({
      name: 'version-mismatch',
      version: '',
      protocolVersion: '2025-11-25',
      capabilities: {},
    });
    expect((await session.listTools(within())).tools).toHaveLength(1);
  });
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
