import {
  CLIENT_CAPABILITIES_META_KEY,
  CLIENT_INFO_META_KEY,
  LOG_LEVEL_META_KEY,
} from '@modelcontextprotocol/server';
import { afterEach, describe, expect, it } from 'vitest';
import type { Expose } from '../../src/mcp/expose.js';
import { CLIENT_CAPABILITIES_KEY, CLIENT_INFO_KEY, LOG_LEVEL_KEY } from '../../src/mcp/meta-keys.js';
import { StdioSession } from '../../src/mcp/stdio-session.js';
import { eventually } from '../support/processes.js';
import { rawStdio } from '../support/raw-stdio.js';

// A client that is greeted has a session of ours, and the SDK only for what is unusual: it must not be able to tell.

const open: ReturnType<typeof rawStdio>[] = [];
afterEach(async () => {
  for (const raw of open.splice(0)) await raw.service.close();
});

/** `sdk`: nobody greets, so the SDK does, and serves until the client is ready. */
async function session(
  way: 'sdk' | 'ours',
  { expose = 'tools', ready = way === 'ours', capabilities = {} }: Options = {},
) {
  const raw = rawStdio({ expose, ...(way === 'sdk' ? { transport: { greet: () => undefined } } : {}) });
  open.push(raw);
  const clientInfo = { name: 'session', version: '1' };
  await raw.request('initialize', { protocolVersion: '2025-11-25', capabilities, clientInfo });
  if (ready) {
    raw.send({ jsonrpc: '2.0', method: 'notifications/initialized' });
    await eventually(() => raw.runtime.attached.size === 1);
  }
  return raw;
}

interface Options {
  readonly expose?: Expose;
  readonly ready?: boolean;
  readonly capabilities?: object;
}

const requests: readonly [method: string, params?: unknown][] = [
  ['ping'],
  ['ping', {}],
  ['ping', { _meta: { a: 1 } }],
  ['tools/list'],
  ['tools/list', { cursor: 'c' }],
  ['tools/list', { _meta: { progressToken: 1 } }],
  ['tools/call'],
  ['tools/call', {}],
  ['logging/setLevel', { level: 'warning' }],
  ['logging/setLevel', { level: 'loud' }],
  ['logging/setLevel', { level: 7 }],
  ['logging/setLevel'],
  ['resources/list'],
  ['resources/templates/list'],
  ['resources/read', { uri: 'x://y' }],
  ['resources/subscribe', { uri: 'x://y' }],
  ['prompts/list'],
  ['prompts/get', { name: 'p' }],
  ['completion/complete', { ref: { type: 'ref/prompt', name: 'p' }, argument: { name: 'a', value: '' } }],
  ['tasks/list'],
  ['tasks/get', { taskId: 't' }],
  ['tasks/get', {}],
  ['tasks/result', { taskId: 't' }],
  ['tasks/cancel', { taskId: 't' }],
  ['tasks/update', { taskId: 't' }],
  ['server/discover'],
  ['subscriptions/listen', { notifications: {} }],
  ['sampling/createMessage', { messages: [] }],
  ['roots/list'],
  ['no/such', { a: 1 }],
  ['toString'],
  ['ping', { _meta: 7 }],
  ['ping', { _meta: { progressToken: {} } }],
  ['tools/list', { _meta: { 'io.modelcontextprotocol/related-task': { taskId: 'x' } } }],
  ['no/such', { requestState: 'r' }],
];

describe('a session of ours', () => {
  it.each(requests)('answers as the SDK does: %s %j', async (method, params) => {
    for (const expose of ['tools', 'direct'] as const) {
      const [sdk, ours] = await Promise.all([session('sdk', { expose }), session('ours', { expose })]);
      const [expected, given] = await Promise.all([sdk, ours].map((raw) => raw.request(method, params)));
      expect(given).toEqual(expected);
      // And goes on.
      expect(await ours.request('ping')).toMatchObject({ result: {} });
      expect((await ours.call('echo', { text: 'on' })).result).toEqual(
        (await sdk.call('echo', { text: 'on' })).result,
      );
    }
  });

  it.each([
    [{ params: { _meta: { 'io.modelcontextprotocol/related-task': 7 } } }],
    [{ params: { _meta: [] } }],
  ])('answers what the SDK would drop: %j', async (more) => {
    for (const way of ['sdk', 'ours'] as const) {
      const raw = await session(way);
      raw.send({ jsonrpc: '2.0', id: 1, method: 'ping', ...more });
      expect((await raw.answerTo(1)).error).toMatchObject({ code: -32600 });
      expect((await raw.request('ping')).result).toEqual({});
    }
  });

  it('answers a second initialize as the SDK does', async () => {
    const [sdk, ours] = await Promise.all([session('sdk'), session('ours')]);
    const again = {
      protocolVersion: '2025-06-18',
      capabilities: {},
      clientInfo: { name: 'x', version: '2' },
    };
    expect(await ours.request('initialize', again)).toEqual(await sdk.request('initialize', again));
    expect((await ours.call('echo', { text: 'on' })).result.content[0].text).toBe('on');
  });

  it.each(['sdk', 'ours'] as const)('asks the client, and takes its answer as it is (%s)', async (way) => {
    const raw = await session(way, { ready: true, capabilities: { elicitation: {} } });
    const asked = (nth: number) =>
      eventually(() => raw.answers().filter(({ method }) => method === 'elicitation/create')[nth]);
    const first = raw.call('ask', { question: 'which?' });
    const question = await asked(0);
    expect(question).toMatchObject({ jsonrpc: '2.0', params: { message: 'which?' } });
    expect(typeof question.id).toBe('number');
    // Nobody asked that; the id as text is taken, and the first answer counts.
    raw.send({ jsonrpc: '2.0', id: 424_242, result: { action: 'decline' } });
    raw.send({
      jsonrpc: '2.0',
      id: String(question.id),
      result: { action: 'accept', content: { a: [1] }, odd: '!' },
    });
    raw.send({ jsonrpc: '2.0', id: question.id, result: { action: 'cancel' } });
    expect(JSON.parse((await first).result.content[0].text)).toEqual({
      action: 'accept',
      content: { a: [1] },
      odd: '!',
    });
    const second = raw.call('ask', { question: 'again?' });
    const refused = await asked(1);
    expect(refused.id).not.toBe(question.id);
    raw.send({ jsonrpc: '2.0', id: refused.id, error: { code: -32601, message: 'no people here' } });
    expect((await second).result.isError).toBe(true);
  });

  it.each(['sdk', 'ours'] as const)('takes a question back with its call (%s)', async (way) => {
    const raw = await session(way, { ready: true, capabilities: { elicitation: {} } });
    raw.send({
      jsonrpc: '2.0',
      id: 'slow',
      method: 'tools/call',
      params: {
        name: 'execute_tool',
        arguments: { server_name: 'fixture', tool_name: 'ask', arguments: { question: 'well?' } },
      },
    });
    const question = await eventually(() =>
      raw.answers().find(({ method }) => method === 'elicitation/create'),
    );
    raw.send({
      jsonrpc: '2.0',
      method: 'notifications/cancelled',
      params: { requestId: 'slow', reason: 'enough' },
    });
    const taken = await eventually(() =>
      raw.answers().find(({ method }) => method === 'notifications/cancelled'),
    );
    expect(taken.params).toEqual({ requestId: question.id, reason: 'enough' });
    expect((await raw.request('ping')).result).toEqual({});
    expect(raw.answers().some(({ id }) => id === 'slow')).toBe(false);
  });

  it('goes on beside the SDK once something needed that: each request is answered once', async () => {
    const raw = await session('ours');
    const odd = { 'io.modelcontextprotocol/related-task': { taskId: 'x' } };
    const ids = Array.from({ length: 60 }, (_, n) => `q${n}`);
    for (const [n, id] of ids.entries()) {
      const params = {
        name: 'execute_tool',
        arguments: { server_name: 'fixture', tool_name: 'echo', arguments: { text: id } },
        ...(n % 7 === 3 ? { _meta: odd } : {}),
      };
      raw.send({ jsonrpc: '2.0', id, method: 'tools/call', params });
      if (n % 10 === 9) await eventually(() => raw.answers().some((one) => one.id === id));
    }
    await eventually(() => ids.every((id) => raw.answers().some((one) => one.id === id)));
    for (const id of ids) {
      const answers = raw.answers().filter((one) => one.id === id);
      expect(answers.map(({ result }) => result.content[0].text)).toEqual([id]);
    }
    expect(raw.runtime.everAttached).toHaveLength(1);
    expect(raw.runtime.calls).toHaveLength(ids.length);
  });

  it.each(['sdk', 'ours', 'both'] as const)('tells news once (%s)', async (way) => {
    const raw = await session(way === 'sdk' ? 'sdk' : 'ours', { ready: true });
    if (way === 'both') await raw.request('logging/setLevel', { level: 'loud' });
    await raw.call('echo', { text: 'from now on its news concern us' });
    const say = (method: string, params: Record<string, unknown>) =>
      raw.runtime.emit({ type: 'server-notification', server: 'fixture', method, params });
    say('notifications/message', { level: 'warning', data: 'w' });
    say('notifications/resources/list_changed', {});
    say('notifications/elicitation/complete', { elicitationId: 'e' });
    await raw.request('logging/setLevel', { level: 'error' });
    say('notifications/message', { level: 'warning', data: 'too quiet' });
    say('notifications/message', { level: 'critical', data: 'c' });
    await raw.request('ping');
    const told = raw.answers().filter((one) => one.method !== undefined);
    expect(told.map(({ method, params }) => [method, params])).toEqual([
      ['notifications/message', { level: 'warning', data: 'w' }],
      ['notifications/message', { level: 'critical', data: 'c' }],
    ]);
  });

  it('is told news from when the client is ready or asks for something, not from when it is greeted', () => {
    const ping = { jsonrpc: '2.0', id: 1, method: 'ping' } as const;
    const list = { jsonrpc: '2.0', id: 2, method: 'tools/list' } as const;
    for (const begin of [
      (one: StdioSession) => one.notified({ jsonrpc: '2.0', method: 'notifications/initialized' }),
      (one: StdioSession) => one.take(list, () => {}),
    ]) {
      let entered = 0;
      const connection = {
        enter: () => {
          entered += 1;
        },
        arrive: () => {},
        serves: () => false,
      };
      const one = new StdioSession(connection as never, { capabilities: {}, name: 'n' }, () => {});
      one.take(ping, () => {});
      expect(entered).toBe(0);
      begin(one);
      expect(entered).toBe(1);
    }
  });

  it('forgets what was taken back while the SDK was on its way', async () => {
    const raw = await session('ours');
    raw.stdin.write(
      [
        { jsonrpc: '2.0', id: 1, method: 'no/such', params: { requestState: 'for the SDK' } },
        { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } },
        { jsonrpc: '2.0', id: 2, method: 'ping' },
      ]
        .map((message) => `${JSON.stringify(message)}\n`)
        .join(''),
    );
    expect((await raw.answerTo(2)).result).toEqual({});
    raw.send({ jsonrpc: '2.0', id: 1, method: 'ping' });
    expect((await raw.answerTo(1)).result).toEqual({});
  });

  it('knows the keys of 2026-07-28 as the SDK does', () => {
    expect([CLIENT_INFO_KEY, CLIENT_CAPABILITIES_KEY, LOG_LEVEL_KEY]).toEqual([
      CLIENT_INFO_META_KEY,
      CLIENT_CAPABILITIES_META_KEY,
      LOG_LEVEL_META_KEY,
    ]);
  });
});
