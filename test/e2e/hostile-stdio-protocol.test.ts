import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Progress, UpstreamEvent } from '../../src/core/upstream.js';
import { eventually } from '../support/processes.js';
import { bench, errorOf, textOf, within } from '../support/upstream.js';

const bed = bench();

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
    // Ten in any second of the call, and the last one.
    expect(seen.length).toBeLessThanOrEqual(21);
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
