import { afterEach, describe, expect, it } from 'vitest';
import { DirectCalls } from '../../src/mcp/direct-calls.js';
import { eventually } from '../support/processes.js';
import { rawStdio } from '../support/raw-stdio.js';

// A client that is not greeted is the SDK's until it says that it is ready; one that is greeted has a session of ours from the
// beginning. Neither may be able to tell.

const open: ReturnType<typeof rawStdio>[] = [];
afterEach(async () => {
  for (const raw of open.splice(0)) await raw.service.close();
});

async function session(way: 'sdk' | 'direct') {
  const raw = rawStdio(way === 'sdk' ? { transport: { greet: () => undefined } } : {});
  open.push(raw);
  await raw.initialize();
  return raw;
}

const execute = (tool_name: string, args: object = {}, more: object = {}) => ({
  name: 'execute_tool',
  arguments: { server_name: 'fixture', tool_name, arguments: args, ...more },
});
const asked: readonly [string, unknown][] = [
  ['a plain call', execute('echo', { text: 'é\u2028"' })],
  ['a result of later revisions', execute('odd')],
  ['an error of the tool', execute('upstream_error')],
  ['a server that died', execute('die')],
  ['a fault of ours', execute('bug')],
  ['an unknown tool of the server', execute('nothing')],
  ['wrong arguments', execute('echo', {}, { timeout: -1 })],
  [
    'arguments as text',
    { ...execute('echo'), arguments: { ...execute('echo').arguments, arguments: '{"text":"x"}' } },
  ],
  ['more than the schema knows', execute('echo', { text: 'x' }, { surplus: 1 })],
  ['_meta of the client', { ...execute('meta'), _meta: { 'vendor/x': { a: 1 }, progressToken: 7 } }],
  [
    '_meta of the envelope',
    { ...execute('meta'), _meta: { 'io.modelcontextprotocol/logLevel': 'debug', b: 2 } },
  ],
  ['fields of the rounds', { ...execute('echo', { text: 'x' }), requestState: 's', inputResponses: {} }],
  ['no such tool of ours', { name: 'dance' }],
  ['no name', {}],
  ['a task of what can be none', { name: 'list_servers', arguments: {}, task: {} }],
];

describe('calls past the SDK', () => {
  it.each(asked)('answer as through it: %s', async (_name, params) => {
    const [sdk, direct] = await Promise.all([session('sdk'), session('direct')]);
    const [expected, given] = await Promise.all(
      [sdk, direct].map((raw) => raw.request('tools/call', params)),
    );
    expect(given).toEqual(expected);
    expect(direct.runtime.calls.map(({ meta, arguments: args }) => [meta, args])).toEqual(
      sdk.runtime.calls.map(({ meta, arguments: args }) => [meta, args]),
    );
  });

  it.each(['sdk', 'direct'] as const)(
    'are cancelled, report progress and keep ids apart (%s)',
    async (way) => {
      const raw = await session(way);
      const call = (id: unknown, params: object) =>
        raw.send({ jsonrpc: '2.0', id, method: 'tools/call', params });
      call(1, execute('hang', { key: 'a' }));
      call('1', execute('hang', { key: 'b' }));
      await eventually(() => raw.runtime.calls.length === 2);
      call(1, execute('echo', { text: 'x' }));
      expect((await raw.answerTo(1)).error).toMatchObject({ code: -32600 });
      raw.send({
        jsonrpc: '2.0',
        method: 'notifications/cancelled',
        params: { requestId: 1, reason: 'no more' },
      });
      await eventually(() => raw.runtime.calls[0]?.outcome === 'aborted');
      call(1, execute('echo', { text: 'the id is free again' }));
      await eventually(() => raw.answers().filter(({ id }) => id === 1).length === 2);
      raw.runtime.release('b');
      expect((await raw.answerTo('1')).result.content[0].text).toBe('released b');
      call('p', { ...execute('steps', { steps: 3 }), _meta: { progressToken: 'tok' } });
      await raw.answerTo('p');
      const told = raw.answers().filter(({ method }) => method === 'notifications/progress');
      expect(told.map(({ params }) => [params.progressToken, params.progress])).toEqual([
        ['tok', 1],
        ['tok', 2],
        ['tok', 3],
      ]);
    },
  );

  it('withdraws what waits when the client leaves', async () => {
    const raw = await session('direct');
    raw.send({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: execute('hang', { key: 'a' }) });
    await eventually(() => raw.runtime.calls.length === 1);
    raw.stdin.end();
    await eventually(() => raw.runtime.calls[0]?.outcome === 'aborted');
    expect(raw.answers().find(({ id }) => id === 1)).toBeUndefined();
  });

  it('takes plain calls alone', () => {
    const calls = new DirectCalls(async () => ({}));
    const take = (request: object) =>
      calls.take(
        { jsonrpc: '2.0', id: Math.random() * 2 ** 40, method: 'tools/call', ...request } as never,
        () => {},
        { ask: async () => ({}), tell: () => {} },
      );
    expect(take({ params: { name: 'x', _meta: { a: 1, progressToken: 'p' } } })).toBe(true);
    expect(take({})).toBe(true);
    for (const request of [
      { params: { name: 'x' }, surplus: 1 },
      { params: { name: 'x', requestState: 's' } },
      { params: { name: 'x', inputResponses: {} } },
      { params: { name: 'x', _meta: 1 } },
      { params: { name: 'x', _meta: { progressToken: {} } } },
      { params: { name: 'x', _meta: { 'io.modelcontextprotocol/related-task': {} } } },
    ])
      expect(take(request)).toBe(false);
  });
});
