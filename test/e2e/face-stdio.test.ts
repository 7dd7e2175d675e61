import { Client } from '@modelcontextprotocol/client';
import { SUPPORTED_PROTOCOL_VERSIONS } from '@modelcontextprotocol/server';
import { encode } from 'gpt-tokenizer/encoding/cl100k_base';
import { afterEach, describe, expect, it } from 'vitest';
import { StdioTransport } from '../../src/mcp/stdio-transport.js';
import { withTaskSupport } from '../../src/mcp/tasks.js';
import { toolDefinitions } from '../../src/operations/tool-definition.js';
import { oddResult } from '../support/memory-runtime.js';
import { eventually } from '../support/processes.js';
import { rawStdio } from '../support/raw-stdio.js';

const open: ReturnType<typeof rawStdio>[] = [];
const start = (options?: Parameters<typeof rawStdio>[0]) => {
  const raw = rawStdio(options);
  open.push(raw);
  return raw;
};

afterEach(async () => {
  for (const raw of open.splice(0)) {
    await raw.service.close();
    // Whatever a test did: stdout carries JSON-RPC alone, a message a line, and nobody stays attached.
    for (const message of raw.lines().flatMap((line) => JSON.parse(line) as unknown)) {
      expect(message).toMatchObject({ jsonrpc: '2.0' });
    }
    expect(raw.runtime.attached.size).toBe(0);
  }
});

const envelope = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientInfo': { name: 'modern', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {},
};

describe('the stdio face, revisions with initialize', () => {
  it.each(['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25'])('speaks %s', async (revision) => {
    expect(SUPPORTED_PROTOCOL_VERSIONS).toContain(revision);
    const raw = start();
    const { result } = await raw.initialize(revision);
    expect(result).toMatchObject({
      protocolVersion: revision,
      capabilities: { tools: {} },
      serverInfo: { name: 'mcp-runtime', version: '0.0.0-test' },
    });
    expect(result.instructions).toContain('search_tools');
    raw.send({ jsonrpc: '2.0', method: 'notifications/initialized' });
    await eventually(() => raw.runtime.attached.size === 1);
    expect([...raw.runtime.attached][0]).toMatchObject({ principal: 'local', clientName: 'rawclient' });
    const listed = await raw.request('tools/list');
    const tools = withTaskSupport('legacy', toolDefinitions());
    expect(listed.result).toEqual({ tools: JSON.parse(JSON.stringify(tools)) });
    expect((await raw.request('ping')).result).toEqual({});
    expect((await raw.request('resources/list')).error.code).toBe(-32601);
    expect((await raw.request('no/such')).error.code).toBe(-32601);
  });

  it('answers with a revision it knows when the client asks for another', async () => {
    expect((await start().initialize('1999-01-01')).result.protocolVersion).toBe('2025-11-25');
  });

  it('passes a result through as it came, whatever is in it', async () => {
    const raw = start();
    await raw.initialize();
    expect((await raw.call('odd')).result).toEqual(oddResult);
    expect((await raw.call('upstream_error')).result).toEqual({
      content: [{ type: 'text', text: 'it said no' }],
      isError: true,
    });
  });

  it('passes the _meta of a request on', async () => {
    const raw = start();
    await raw.initialize();
    const { result } = await raw.request('tools/call', {
      name: 'execute_tool',
      arguments: { server_name: 'fixture', tool_name: 'meta' },
      _meta: { traceparent: '00-abc', 'vendor/key': [1] },
    });
    expect(result._meta.seen).toEqual({ traceparent: '00-abc', 'vendor/key': [1] });
  });

  it('answers get_content with the image itself', async () => {
    const raw = start();
    await raw.initialize();
    const { result } = await raw.request('tools/call', { name: 'get_content', arguments: { ref_id: 'r' } });
    expect(result).toEqual({ content: [{ type: 'image', data: 'AAAA', mimeType: 'image/png' }] });
  });

  it('tells progress in rising steps, not more often than ten a second, and always the last', async () => {
    const raw = start();
    await raw.initialize();
    await raw.request('tools/call', {
      name: 'execute_tool',
      arguments: { server_name: 'fixture', tool_name: 'steps', arguments: { steps: 40, gap_ms: 5 } },
      _meta: { progressToken: 'p-1' },
    });
    const told = raw.answers().filter((one) => one.method === 'notifications/progress');
    expect(told.every((one) => one.params.progressToken === 'p-1')).toBe(true);
    const steps = told.map((one) => one.params.progress as number);
    expect(steps).toEqual([...steps].sort((a, b) => a - b));
    expect(steps.at(-1)).toBe(40);
    expect(steps.length).toBeLessThan(20);
    const methods = raw.answers().map((one) => one.method);
    expect(methods.lastIndexOf('notifications/progress')).toBe(methods.length - 2);
  });

  it('CLI-03: a cancelled request is withdrawn below and not answered', async () => {
    const raw = start();
    await raw.initialize();
    raw.send({
      jsonrpc: '2.0',
      id: 77,
      method: 'tools/call',
      params: {
        name: 'execute_tool',
        arguments: { server_name: 'fixture', tool_name: 'hang', arguments: { key: 'a' } },
      },
    });
    await eventually(() => raw.runtime.calls.length === 1);
    raw.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: '77' } });
    raw.send({
      jsonrpc: '2.0',
      method: 'notifications/cancelled',
      params: { requestId: 77, reason: 'enough' },
    });
    await eventually(() => raw.runtime.calls[0]?.outcome === 'aborted');
    expect((await raw.request('ping')).result).toEqual({});
    expect(raw.answers().some((one) => one.id === 77)).toBe(false);
  });

  it('CLI-03: the end of stdin withdraws what is in flight and ends the service', async () => {
    const raw = start();
    await raw.initialize();
    void raw.call('hang', { key: 'a' }).catch(() => {});
    await eventually(() => raw.runtime.calls.length === 1);
    raw.stdin.end();
    await raw.service.closed;
    expect(raw.runtime.calls[0]?.outcome).toBe('aborted');
    expect(raw.runtime.attached.size).toBe(0);
  });

  it('CLI-03: a broken pipe ends the service without an error', async () => {
    const raw = start();
    await raw.initialize();
    raw.stdout.destroy(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
    await raw.service.closed;
  });

  it('delivers a result of 50 MB whole and leaves others their turn', async () => {
    const raw = start();
    await raw.initialize();
    const big = raw.call('big', { bytes: 50_000_000 });
    const small = await raw.call('echo', { text: 'meanwhile' });
    expect(small.result.content[0].text).toBe('meanwhile');
    expect((await big).result.content[0].text.length).toBe(50_000_000);
  });
});

describe('the stdio face, errors', () => {
  it('gives a failure as a result that says what happened and what to do', async () => {
    const raw = start();
    await raw.initialize();
    const { result } = await raw.call('die');
    expect(result.isError).toBe(true);
    const [{ text }] = result.content;
    expect(text).toContain('ended while the call was waiting (exit code 3)');
    expect(text).toContain('TypeError: cannot read the sea');
    expect(text).toContain('Next: Call it again');
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(2048);
    expect(result.structuredContent.error).toMatchObject({
      code: 'SERVER_DIED',
      retryable: true,
      hint: 'Call it again; it is started anew.',
      data: { exitCode: 3 },
    });
    expect(result.structuredContent.error.data.stderr.length).toBeLessThanOrEqual(4096);
  });

  it('names the wrong argument and the schema', async () => {
    const raw = start();
    await raw.initialize();
    const { result } = await raw.request('tools/call', { name: 'search_tools', arguments: { limit: 'x' } });
    expect(result.isError).toBe(true);
    expect(result.content[0].text).toContain('query');
    expect(result.content[0].text).toContain('"properties"');
    expect(result.structuredContent.error.code).toBe('INVALID_ARGUMENTS');
  });

  it.each([
    ['serach_tools', 'search_tools'],
    ['learn_servers', 'There is no such tool'],
    ['get_status', 'There is no such tool'],
    ['semantic_router', 'There is no such tool'],
    ['__proto__', 'There is no such tool'],
    ['toString', 'There is no such tool'],
    ['Execute_Tool', 'execute_tool'],
  ])('refuses the tool %s with -32602', async (name, says) => {
    const raw = start();
    await raw.initialize();
    const { error } = await raw.request('tools/call', { name, arguments: {} });
    expect(error.code).toBe(-32602);
    expect(error.message).toContain(says);
  });

  it('keeps to itself why a client could not be attached', async () => {
    const raw = start();
    raw.runtime.port.attach = () => {
      throw new Error('secret-of-the-implementation');
    };
    const { error } = await raw.request('tools/list');
    expect(error).toEqual({ code: -32603, message: 'Internal error' });
  });

  it('keeps what nobody foresaw to the log', async () => {
    const raw = start();
    await raw.initialize();
    const { result } = await raw.call('bug');
    expect(result.isError).toBe(true);
    expect(result.structuredContent.error.code).toBe('INTERNAL');
    expect(JSON.stringify(result)).not.toMatch(/secret|\.ts|TypeError/);
  });
});

describe('the stdio face, bad input', () => {
  it('CLI-01: of fifty requests with one id the first is served and the others are refused', async () => {
    const raw = start();
    await raw.initialize();
    for (let n = 0; n < 50; n += 1) {
      raw.send({
        jsonrpc: '2.0',
        id: 1,
        method: 'tools/call',
        params: {
          name: 'execute_tool',
          arguments: { server_name: 'fixture', tool_name: 'hang', arguments: { key: `nonce-${n}` } },
        },
      });
    }
    await eventually(() => raw.answers().filter((one) => one.id === 1).length === 49);
    raw.runtime.release('nonce-0');
    const all = await eventually(() => {
      const found = raw.answers().filter((one) => one.id === 1);
      return found.length === 50 ? found : undefined;
    });
    expect(
      all.filter((one) => one.error?.code === -32600 && one.error.message.includes('in use')),
    ).toHaveLength(49);
    expect(all.filter((one) => one.result?.content[0].text === 'released nonce-0')).toHaveLength(1);
    expect(raw.runtime.calls).toHaveLength(1);
  });

  it('CLI-01: 1 and "1" are different ids', async () => {
    const raw = start();
    await raw.initialize();
    raw.send({ jsonrpc: '2.0', id: 1, method: 'ping' });
    raw.send({ jsonrpc: '2.0', id: '1', method: 'ping' });
    expect((await raw.answerTo(1)).result).toEqual({});
    expect((await raw.answerTo('1')).result).toEqual({});
  });

  it.each([
    ['{"jsonrpc":', -32700],
    ['hello', -32700],
    ['\u0000', -32700],
    ['null', -32600],
    ['1', -32600],
    ['"x"', -32600],
    ['{}', -32600],
    ['[]', -32600],
    ['[{"jsonrpc":"2.0","id":9,"method":"ping"}]', -32600],
    ['{"jsonrpc":"1.0","id":9,"method":"ping"}', -32600],
    ['{"jsonrpc":"2.0","id":1.5,"method":"ping"}', -32600],
    ['{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600],
    ['{"jsonrpc":"2.0","id":{},"method":"ping"}', -32600],
    ['{"jsonrpc":"2.0","id":1e400,"method":"ping"}', -32600],
    ['{"jsonrpc":"2.0","method":5}', -32600],
  ])('CLI-04: %s is answered with %i and the next request is served', async (line, code) => {
    const raw = start();
    await raw.initialize();
    raw.send(line);
    expect((await raw.answerTo(null)).error.code).toBe(code);
    expect((await raw.request('ping')).result).toEqual({});
  });

  it.each([
    ['{"jsonrpc":"2.0","id":9,"method":5}', -32600],
    ['{"jsonrpc":"2.0","id":9,"method":"tools/list","params":[1]}', -32600],
    ['{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":5}}', -32602],
    ['{"jsonrpc":"2.0","id":9,"method":"tools/call"}', -32602],
    ['{"jsonrpc":"2.0","id":9,"method":"toString"}', -32601],
    ['{"jsonrpc":"2.0","id":9,"method":"server/discover"}', -32601],
  ])('CLI-04: %s keeps its id and is refused with %i', async (line, code) => {
    const raw = start();
    await raw.initialize();
    raw.send(line);
    expect((await raw.answerTo(9)).error.code).toBe(code);
  });

  it('CLI-04: invalid UTF-8 is refused, not silently altered', async () => {
    const raw = start();
    await raw.initialize();
    raw.stdin.write(
      Buffer.concat([
        Buffer.from('{"jsonrpc":"2.0","id":3,"method":"x'),
        Buffer.from([0xff, 0xfe]),
        Buffer.from('"}\n'),
      ]),
    );
    expect((await raw.answerTo(null)).error.code).toBe(-32700);
  });

  it('CLI-04: a line above the limit is refused without being held, and the next one served', async () => {
    const raw = start({ transport: { maxMessageBytes: 1_000_000 } });
    await raw.initialize();
    for (let n = 0; n < 40; n += 1) raw.stdin.write('x'.repeat(100_000));
    raw.stdin.write('\n');
    expect((await raw.answerTo(null)).error.code).toBe(-32600);
    expect((await raw.request('ping')).result).toEqual({});
  });

  it('CLI-04: a request of 60 MB arrives', async () => {
    const raw = start();
    await raw.initialize();
    const text = 'y'.repeat(60_000_000);
    const { result } = await raw.call('echo', { text });
    expect(result.content[0].text.length).toBe(text.length);
  });

  it('CLI-04: deep nesting and __proto__ do no harm', async () => {
    const raw = start();
    await raw.initialize();
    raw.send(
      `{"jsonrpc":"2.0","id":"deep","method":"ping","params":${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}}`,
    );
    raw.send(
      '{"jsonrpc":"2.0","id":"proto","method":"tools/call","params":{"name":"execute_tool","arguments":{"server_name":"fixture","tool_name":"echo","arguments":{"__proto__":{"polluted":1},"text":"t"}}}}',
    );
    expect((await raw.answerTo('proto')).result.content[0].text).toBe('t');
    await raw.answerTo('deep');
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  it('CLI-04: a request before initialize and a second initialize are answered', async () => {
    const raw = start();
    expect((await raw.request('tools/list')).result.tools.length).toBeGreaterThan(0);
    await raw.initialize();
    expect((await raw.initialize('2025-06-18')).result.protocolVersion).toBe('2025-06-18');
  });

  it('CLI-04: a storm of notifications and of unknown answers is ignored', async () => {
    const raw = start();
    await raw.initialize();
    for (let n = 0; n < 5_000; n += 1) {
      raw.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: n } });
      raw.send({ jsonrpc: '2.0', id: n, result: {} });
      raw.send({ jsonrpc: '2.0', method: 'notifications/unheard-of' });
    }
    expect((await raw.request('ping')).result).toEqual({});
  });

  it('takes batches in the revisions that have them, and answers them together', async () => {
    const raw = start();
    await raw.initialize('2025-03-26');
    raw.send([
      { jsonrpc: '2.0', id: 'a', method: 'ping' },
      { jsonrpc: '2.0', method: 'notifications/initialized' },
      { jsonrpc: '2.0', id: 'b', method: 'tools/call', params: { name: 'nope' } },
      { jsonrpc: '2.0', id: 'a', method: 'ping' },
      5,
    ]);
    const line = await eventually(() => raw.lines().find((one) => one.startsWith('[')));
    const answers = JSON.parse(line) as { id: unknown; error?: { code: number } }[];
    expect(answers.map((one) => [one.id, one.error?.code])).toEqual(
      expect.arrayContaining([
        ['a', undefined],
        ['b', -32602],
        ['a', -32600],
        [null, -32600],
      ]),
    );
    expect(answers).toHaveLength(4);
  });

  it('CLI-06: gives up a client that does not read, instead of keeping everything for it', async () => {
    const raw = start({ transport: { maxQueuedBytes: 4_000_000 } });
    await raw.initialize();
    raw.stdout.removeAllListeners('data');
    raw.stdout.pause();
    for (let n = 0; n < 10; n += 1) void raw.call('big', { bytes: 1_000_000 }).catch(() => {});
    await raw.service.closed;
  });
});

describe('the stdio face, 2026-07-28', () => {
  it('answers server/discover and serves requests that carry their envelope', async () => {
    const raw = start();
    const discovered = await raw.request('server/discover', { _meta: envelope });
    expect(discovered.result).toMatchObject({
      supportedVersions: ['2026-07-28'],
      capabilities: { tools: {} },
      resultType: 'complete',
      cacheScope: 'public',
    });
    const listed = await raw.request('tools/list', { _meta: envelope });
    expect(listed.result).toMatchObject({ resultType: 'complete', cacheScope: 'public' });
    expect(listed.result.ttlMs).toBeGreaterThan(0);
    const called = await raw.request('tools/call', {
      _meta: { ...envelope, traceparent: 't' },
      name: 'execute_tool',
      arguments: { server_name: 'fixture', tool_name: 'odd' },
    });
    expect(called.result).toMatchObject({ ...oddResult, resultType: 'complete' });
    expect(raw.runtime.calls[0]?.meta).toEqual({ traceparent: 't' });
    expect(raw.runtime.calls[0]?.caller).toMatchObject({ principal: 'local', clientName: 'modern' });
    expect(raw.runtime.everAttached).toHaveLength(1);
  });

  it('CLI-03: a cancelled request is withdrawn below and not answered', async () => {
    const raw = start();
    raw.send({
      jsonrpc: '2.0',
      id: 77,
      method: 'tools/call',
      params: {
        _meta: envelope,
        name: 'execute_tool',
        arguments: { server_name: 'fixture', tool_name: 'hang', arguments: { key: 'a' } },
      },
    });
    await eventually(() => raw.runtime.calls.length === 1);
    raw.send({
      jsonrpc: '2.0',
      method: 'notifications/cancelled',
      params: { requestId: 77, _meta: envelope },
    });
    await eventually(() => raw.runtime.calls[0]?.outcome === 'aborted');
    expect((await raw.request('tools/list', { _meta: envelope })).error).toBeUndefined();
    expect(raw.answers().some((one) => one.id === 77)).toBe(false);
  });

  it('refuses initialize on a connection of 2026-07-28', async () => {
    const raw = start();
    await raw.request('tools/list', { _meta: envelope });
    expect((await raw.initialize()).error.code).toBe(-32022);
  });

  it.each([
    ['no version', { 'io.modelcontextprotocol/clientCapabilities': {} }, undefined],
    ['an unknown version', { ...envelope, 'io.modelcontextprotocol/protocolVersion': '2099-01-01' }, -32022],
    ['no capabilities', { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' }, -32602],
  ])('refuses an envelope with %s', async (_name, meta, code) => {
    const answer = await start().request('server/discover', { _meta: meta });
    if (code === undefined) expect(answer.error).toBeDefined();
    else expect(answer.error.code).toBe(code);
  });
});

describe.each([
  ['legacy', { mode: 'legacy' as const }],
  ['modern', { mode: { pin: '2026-07-28' } as const }],
])("the SDK's client over stdio streams, %s era", (_era, versionNegotiation) => {
  it('lists and calls', async () => {
    const raw = start();
    const client = new Client({ name: 'sdk', version: '1' }, { versionNegotiation });
    // The same framing, the other way around: the client reads what the face writes.
    const transport = new StdioTransport({ stdin: raw.stdout, stdout: raw.stdin });
    await client.connect(transport);
    const { tools } = await client.listTools();
    expect(tools.map((tool) => tool.name)).toEqual(toolDefinitions().map((tool) => tool.name));
    const found = await client.callTool({ name: 'search_tools', arguments: { query: 'echo' } });
    expect(found.structuredContent).toMatchObject({ hits: [{ tool: 'echo' }] });
    const failed = await client.callTool({
      name: 'execute_tool',
      arguments: { server_name: 'fixture', tool_name: 'die' },
    });
    expect(failed.isError).toBe(true);
    await client.close();
  });
});

describe('the router', () => {
  it('shows one tool that takes the operation and its parameters', async () => {
    const raw = start({ expose: 'router' });
    await raw.initialize();
    const { tools } = (await raw.request('tools/list')).result;
    expect(tools).toHaveLength(1);
    expect(tools[0].name).toBe('semantic_router');
    expect(encode(JSON.stringify(tools)).length).toBeLessThan(800);
    expect(tools[0].inputSchema.properties.operation.enum).toEqual(
      toolDefinitions().map((tool) => tool.name),
    );
    for (const tool of toolDefinitions()) expect(tools[0].description).toContain(`${tool.name}(`);
    const found = await raw.request('tools/call', {
      name: 'semantic_router',
      arguments: { operation: 'execute_tool', server_name: 'fixture', tool_name: 'odd' },
    });
    expect(found.result).toEqual(oddResult);
  });

  it.each([
    [{}, 'operation is missing'],
    [{ operation: 'serach_tools' }, 'search_tools'],
    [{ operation: 'get_status' }, 'no such operation'],
    [{ operation: 'search_tools' }, 'query'],
  ])('says what is wrong with %j', async (args, says) => {
    const raw = start({ expose: 'router' });
    await raw.initialize();
    const { result } = await raw.request('tools/call', { name: 'semantic_router', arguments: args });
    expect(result.isError).toBe(true);
    expect(result.content[0].text).toContain(says);
    expect((await raw.request('tools/call', { name: 'search_tools', arguments: {} })).error.code).toBe(
      -32602,
    );
  });
});
