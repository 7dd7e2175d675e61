import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { Expose } from '../../src/mcp/expose.js';
import { greeting } from '../../src/mcp/greeting.js';
import { offersNative } from '../../src/mcp/introduction.js';
import { StdioTransport } from '../../src/mcp/stdio-transport.js';
import { eventually } from '../support/processes.js';
import { rawStdio } from '../support/raw-stdio.js';

const client = { name: 'early', version: '1' };
const facts = (expose: Expose) => ({ expose, version: '0.0.0-test', native: offersNative({ expose }) });
const request = (params: unknown, id: unknown = 'first') => ({
  jsonrpc: '2.0',
  id,
  method: 'initialize',
  params,
});

/** A client that speaks before the SDK is there. `serve` brings the SDK. */
function early(expose: Expose = 'tools') {
  const [stdin, stdout] = [new PassThrough(), new PassThrough()];
  const transport = new StdioTransport({ stdin, stdout, greet: greeting(facts(expose)) });
  transport.listen();
  const said: Buffer[] = [];
  stdout.on('data', (chunk: Buffer) => said.push(chunk));
  return {
    stdin,
    transport,
    send: (message: unknown) => stdin.write(`${JSON.stringify(message)}\n`),
    answers: () =>
      Buffer.concat(said)
        .toString('utf8')
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line)),
    serve: () => rawStdio({ expose, transport: { stdin, stdout, transport } }),
  };
}

/** What the SDK answers to the same. */
async function fromSdk(params: unknown, expose: Expose = 'tools') {
  const raw = rawStdio({ expose, transport: { greet: () => undefined } });
  raw.send(request(params));
  const answer = await raw.answerTo('first');
  await raw.service.close();
  return answer;
}

const plain = [
  ...['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25'].map((protocolVersion) => ({ protocolVersion })),
  { clientInfo: { ...client, title: 'Early', description: 'comes first' } },
  { capabilities: { roots: {}, sampling: {}, elicitation: {} } },
  {
    capabilities: {
      roots: { listChanged: true },
      elicitation: { form: {}, url: {} },
      sampling: { tools: {} },
    },
  },
  // As editors are: what there is for tasks and extensions, icons, and capabilities that there are not.
  {
    capabilities: {
      roots: { listChanged: true, more: 1 },
      sampling: { context: {}, tools: {}, more: 1 },
      elicitation: { form: { applyDefaults: true }, url: {} },
      tasks: {
        list: {},
        cancel: {},
        requests: { sampling: { createMessage: {} }, elicitation: { create: {} }, more: 1 },
      },
      extensions: { 'io.modelcontextprotocol/ui': { mimeTypes: ['text/html'] } },
      experimental: { some: { thing: 1 } },
    },
    clientInfo: {
      ...client,
      websiteUrl: 'https://editor.example',
      icons: [{ src: 'data:,', mimeType: 'image/png', sizes: ['48x48'], theme: 'dark' }],
      more: 1,
    },
  },
  { capabilities: { tools: true, prompts: false, vendor: {} } },
].map((more) => ({ protocolVersion: '2025-11-25', capabilities: {}, clientInfo: client, ...more }));

const odd: unknown[] = [
  { protocolVersion: '1999-01-01', capabilities: {}, clientInfo: client },
  { protocolVersion: '2026-07-28', capabilities: {}, clientInfo: client },
  { protocolVersion: '2025-11-25', capabilities: {} },
  { protocolVersion: '2025-11-25', capabilities: [], clientInfo: client },
  { protocolVersion: '2025-11-25', capabilities: { roots: 1 }, clientInfo: client },
  { protocolVersion: '2025-11-25', capabilities: { roots: { listChanged: 'yes' } }, clientInfo: client },
  { protocolVersion: '2025-11-25', capabilities: { tasks: { list: 1 } }, clientInfo: client },
  {
    protocolVersion: '2025-11-25',
    capabilities: { tasks: { requests: { sampling: 1 } } },
    clientInfo: client,
  },
  { protocolVersion: '2025-11-25', capabilities: { sampling: { tools: true } }, clientInfo: client },
  { protocolVersion: '2025-11-25', capabilities: { extensions: { x: 1 } }, clientInfo: client },
  {
    protocolVersion: '2025-11-25',
    capabilities: { elicitation: { form: { applyDefaults: 1 } } },
    clientInfo: client,
  },
  { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { ...client, icons: [{ src: 1 }] } },
  { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { ...client, websiteUrl: 1 } },
  { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'early' } },
  { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { ...client, title: 7 } },
  { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: client, _meta: { a: 1 } },
  undefined,
];

describe('a client that is greeted before the SDK is there', () => {
  it.each(plain)('hears what the SDK would say: %j', async (params) => {
    for (const expose of ['tools', 'router', 'direct'] as const) {
      const one = early(expose);
      one.send(request(params));
      await eventually(() => one.answers().length === 1);
      expect(one.answers()[0]).toEqual(await fromSdk(params, expose));
      await one.serve().service.close();
    }
  });

  it.each(odd)('is left to the SDK when it says more, or something wrong: %j', async (params) => {
    const one = early();
    one.send(request(params));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(one.answers()).toEqual([]);
    const raw = one.serve();
    await eventually(() => one.answers().length === 1);
    expect(one.answers()[0]).toEqual(await fromSdk(params));
    await raw.service.close();
  });

  it('is answered once, and in order, and the SDK knows who it is', async () => {
    const one = early();
    one.send(request(plain[0]));
    one.send({ jsonrpc: '2.0', method: 'notifications/initialized' });
    one.send({ jsonrpc: '2.0', id: 'first', method: 'ping' });
    one.send({ jsonrpc: '2.0', id: 2, method: 'tools/list' });
    const call = {
      name: 'execute_tool',
      arguments: { server_name: 'fixture', tool_name: 'echo', arguments: { text: 'here' } },
    };
    one.send({ jsonrpc: '2.0', id: 3, method: 'tools/call', params: call });
    one.send({ jsonrpc: '2.0', id: 4, method: 'ping' });
    one.stdin.write('no json\n');
    await eventually(() => one.answers().length === 2);
    // Greeted; what nobody can read is said at once.
    expect(one.answers().map(({ id, error }) => [id, error?.code])).toEqual([
      ['first', undefined],
      [null, -32700],
    ]);
    const raw = one.serve();
    await eventually(() => one.answers().length === 6);
    expect([...raw.runtime.attached]).toMatchObject([{ clientName: 'early' }]);
    one.send({ jsonrpc: '2.0', id: 5, method: 'ping' });
    await eventually(() => one.answers().some(({ id }) => id === 5));
    expect(
      one
        .answers()
        .map(({ id }) => id)
        .slice(2)
        .map(String)
        .sort(),
    ).toEqual(['2', '3', '4', '5', 'first']);
    expect(one.answers().find(({ id }) => id === 3).result.content).toEqual([{ type: 'text', text: 'here' }]);
    await raw.service.close();
  });

  it('has nothing run that it took back before anybody was there to serve it', async () => {
    const one = early();
    one.send(request(plain[0]));
    const call = (text: string) => ({
      name: 'execute_tool',
      arguments: { server_name: 'fixture', tool_name: 'echo', arguments: { text } },
    });
    one.send({ jsonrpc: '2.0', id: 2, method: 'tools/call', params: call('never') });
    one.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 2 } });
    one.send({ jsonrpc: '2.0', id: 3, method: 'tools/call', params: call('this') });
    await eventually(() => one.answers().length === 1);
    const raw = one.serve();
    await eventually(() => one.answers().length === 2);
    expect(one.answers()[1]).toMatchObject({ id: 3, result: { content: [{ text: 'this' }] } });
    expect(raw.runtime.calls.map(({ arguments: args }) => args)).toEqual([{ text: 'this' }]);
    await raw.service.close();
  });

  it('answers a request that the SDK throws at', async () => {
    const { stdin, transport, send, answers } = early();
    transport.onmessage = () => {
      throw new Error('no');
    };
    send({ jsonrpc: '2.0', id: 1, method: 'ping', params: { requestState: 'for the SDK' } });
    await transport.start();
    await eventually(() => answers().length === 1);
    expect(answers()[0]).toMatchObject({ id: 1, error: { code: -32603 } });
    send({ jsonrpc: '2.0', id: 1, method: 'ping' });
    await eventually(() => answers().length === 2);
    expect(answers()[1]).toMatchObject({ id: 1, error: { code: -32603 } });
    stdin.end();
  });

  it('is gone when it left before the SDK was there', async () => {
    const one = early();
    one.send(request(plain[0]));
    one.stdin.end();
    await eventually(() => one.stdin.destroyed || one.stdin.readableEnded);
    await new Promise((resolve) => setTimeout(resolve, 20));
    const { service, runtime } = one.serve();
    await service.closed;
    expect(runtime.attached.size).toBe(0);
    expect(one.answers()).toHaveLength(1);
  });

  it('finds batches as its revision has them', async () => {
    const one = early();
    one.send(request({ ...plain[0], protocolVersion: '2025-03-26' }));
    one.send([{ jsonrpc: '2.0', id: 7, method: 'ping' }]);
    const raw = one.serve();
    await eventually(() => one.answers().length === 2);
    expect(one.answers()[1]).toEqual([{ jsonrpc: '2.0', id: 7, result: {} }]);
    await raw.service.close();
  });
});
