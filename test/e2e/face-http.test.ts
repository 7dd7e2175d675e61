import { Client, SSEClientTransport, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { afterEach, describe, expect, it } from 'vitest';
import { RuntimeError } from '../../src/core/errors.js';
import { sameSecret } from '../../src/http/guard.js';
import { toolDefinitions } from '../../src/operations/tool-definition.js';
import { oddResult } from '../support/memory-runtime.js';
import { eventually } from '../support/processes.js';
import { callRequest, initializeRequest, messagesOf, startHttpFace } from '../support/raw-http.js';

type Started = Awaited<ReturnType<typeof startHttpFace>>;
const open: Started[] = [];
async function start(options?: Parameters<typeof startHttpFace>[0]): Promise<Started> {
  const started = await startHttpFace(options);
  open.push(started);
  return started;
}

afterEach(async () => {
  for (const started of open.splice(0)) {
    await started.listener.close();
    expect(started.runtime.attached.size).toBe(0);
    await expect(fetch(`${started.url}/health`)).rejects.toThrow();
  }
});

const modernMeta = (name = 'modern') => ({
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientInfo': { name, version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {},
});
const modernHeaders = (method: string, name?: string) => ({
  'mcp-protocol-version': '2026-07-28',
  'mcp-method': method,
  ...(name === undefined ? {} : { 'mcp-name': name }),
});
function modernCall(tool: string, args: Record<string, unknown> = {}, name?: string) {
  const request = callRequest(1, tool, args);
  return { ...request, params: { ...request.params, _meta: modernMeta(name) } };
}

const principals: Record<string, string> = { 'token-of-ada': 'ada', 'token-of-bob': 'bob' };
const verifyToken = async (token: string) => {
  const found = Object.keys(principals).find((known) => sameSecret(token, known));
  return found === undefined ? undefined : { principal: principals[found]! };
};
const ada = { authorization: 'Bearer token-of-ada' };
const bob = { authorization: 'Bearer token-of-bob' };

describe.each(['legacy', 'modern', 'sse'] as const)("the SDK's client over HTTP, %s", (kind) => {
  it('lists, calls, sees progress and failures', async () => {
    const { url, runtime } = await start();
    const client = new Client(
      { name: 'sdk', version: '1' },
      { versionNegotiation: { mode: kind === 'modern' ? { pin: '2026-07-28' } : 'legacy' } },
    );
    await client.connect(
      kind === 'sse'
        ? new SSEClientTransport(new URL(`${url}/sse`))
        : new StreamableHTTPClientTransport(new URL(`${url}/mcp`)),
    );
    const { tools } = await client.listTools();
    expect(tools.map((tool) => tool.name)).toEqual(toolDefinitions().map((tool) => tool.name));
    const found = await client.callTool({ name: 'search_tools', arguments: { query: 'echo' } });
    expect(found.structuredContent).toMatchObject({ hits: [{ tool: 'echo' }] });
    const seen: number[] = [];
    const done = await client.callTool(
      {
        name: 'execute_tool',
        arguments: { server_name: 'f', tool_name: 'steps', arguments: { steps: 30, gap_ms: 8 } },
      },
      { onprogress: ({ progress }) => seen.push(progress) },
    );
    expect(done.content).toEqual([{ type: 'text', text: 'done' }]);
    // Whether it hears of the last step is the client's affair: it forgets its listener when the result comes.
    expect(seen.length).toBeGreaterThan(1);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    const failed = await client.callTool({
      name: 'execute_tool',
      arguments: { server_name: 'f', tool_name: 'die' },
    });
    expect(failed.isError).toBe(true);
    expect(runtime.attached.size).toBe(1);
    expect([...runtime.attached][0]).toMatchObject({ principal: 'local', clientName: 'sdk' });
    await client.close();
    // Without a session nobody says goodbye.
    if (kind === 'sse') await eventually(() => runtime.attached.size === 0);
  });

  it('delivers a large result whole', async () => {
    const { url } = await start();
    const client = new Client(
      { name: 'sdk', version: '1' },
      { versionNegotiation: { mode: kind === 'modern' ? { pin: '2026-07-28' } : 'legacy' } },
    );
    await client.connect(
      kind === 'sse'
        ? new SSEClientTransport(new URL(`${url}/sse`))
        : new StreamableHTTPClientTransport(new URL(`${url}/mcp`)),
    );
    const result = await client.callTool({
      name: 'execute_tool',
      arguments: { server_name: 'f', tool_name: 'big', arguments: { bytes: 10_000_000 } },
    });
    expect((result.content as { text: string }[])[0]?.text.length).toBe(10_000_000);
    await client.close();
  });
});

describe('streamable HTTP with sessions', () => {
  it.each(['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25'])('speaks %s', async (revision) => {
    const { post, initialize } = await start();
    const session = await initialize(revision);
    expect(session['mcp-session-id']).toMatch(/^[\w-]{36}$/);
    const [answer] = await messagesOf(await post(callRequest(5, 'odd'), session));
    expect(answer).toEqual({ jsonrpc: '2.0', id: 5, result: oddResult });
  });

  it('CLI-01: a second request under an id in flight is refused, and the first keeps its stream', async () => {
    const { post, initialize, runtime } = await start();
    const session = await initialize();
    const first = post(callRequest(1, 'hang', { key: 'nonce-a' }), session);
    await eventually(() => runtime.calls.length === 1);
    for (let n = 0; n < 5; n += 1) {
      const refused = await post(callRequest(1, 'echo', { text: 'nonce-b' }), session);
      expect(refused.status).toBe(400);
      expect((await messagesOf(refused))[0]).toMatchObject({ id: 1, error: { code: -32600 } });
    }
    runtime.release('nonce-a');
    const [answer] = await messagesOf(await first);
    expect(answer.result.content[0].text).toBe('released nonce-a');
    const [again] = await messagesOf(await post(callRequest(1, 'echo', { text: 'nonce-c' }), session));
    expect(again.result.content[0].text).toBe('nonce-c');
  });

  it('CLI-02: the same ids from many clients are never crossed, and a cancel reaches nobody else', async () => {
    const { post, initialize, runtime } = await start();
    const sessions = await Promise.all(Array.from({ length: 10 }, () => initialize()));
    const answers = sessions.map(async (session, client) => {
      const waiting = await Promise.all(
        Array.from({ length: 10 }, (_, id) =>
          post(callRequest(id, 'hang', { key: `${client}/${id}` }), session),
        ),
      );
      return Promise.all(waiting.map(messagesOf));
    });
    await eventually(() => runtime.calls.length === 100);
    const cancel = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 3 } };
    const other = await initialize();
    expect((await post(cancel, other)).status).toBe(202);
    for (let client = 9; client >= 0; client -= 1) {
      for (let id = 0; id < 10; id += 1) runtime.release(`${client}/${id}`);
    }
    for (const [client, all] of (await Promise.all(answers)).entries()) {
      for (const [id, [answer]] of all.entries()) {
        expect(answer.id).toBe(id);
        expect(answer.result.content[0].text).toBe(`released ${client}/${id}`);
      }
    }
  });

  it('CLI-03: a broken connection is no cancel; the answer waits to be fetched', async () => {
    const { url, post, initialize, runtime } = await start();
    const session = await initialize();
    const aborter = new AbortController();
    const response = await fetch(`${url}/mcp`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        ...session,
      },
      body: JSON.stringify(callRequest(8, 'hang', { key: 'later' })),
      signal: aborter.signal,
    });
    const first = await response.body!.getReader().read();
    const eventId = /id: (\S+)/.exec(Buffer.from(first.value ?? []).toString())?.[1] ?? '';
    expect(eventId).not.toBe('');
    await eventually(() => runtime.calls.length === 1);
    aborter.abort();
    runtime.release('later');
    await eventually(() => runtime.calls[0]?.outcome === 'done');
    const resume = (headers: Record<string, string>) =>
      fetch(`${url}/mcp`, {
        headers: { accept: 'text/event-stream', 'last-event-id': eventId, ...headers },
      });
    const stranger = await initialize();
    expect((await resume(stranger)).status).toBe(400);
    const [answer] = await messagesOf(await resume(session));
    expect(answer).toMatchObject({ id: 8, result: { content: [{ text: 'released later' }] } });
    expect((await post({ jsonrpc: '2.0', id: 9, method: 'ping' }, session)).status).toBe(200);
  });

  it('CLI-03: a cancelled request is withdrawn below, and its stream ends', async () => {
    const { post, initialize, runtime } = await start();
    const session = await initialize();
    const waiting = post(callRequest(4, 'hang', { key: 'never' }), session);
    await eventually(() => runtime.calls.length === 1);
    await post({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 4 } }, session);
    await eventually(() => runtime.calls[0]?.outcome === 'aborted');
    expect(await messagesOf(await waiting)).toMatchObject([{ id: 4, error: { code: -32600 } }]);
  });

  it('DELETE ends the session and withdraws what is in flight', async () => {
    const { url, post, initialize, runtime } = await start();
    const session = await initialize();
    void post(callRequest(4, 'hang', { key: 'never' }), session).then((response) => response.text());
    await eventually(() => runtime.calls.length === 1);
    expect((await fetch(`${url}/mcp`, { method: 'DELETE', headers: session })).status).toBe(200);
    await eventually(() => runtime.calls[0]?.outcome === 'aborted' && runtime.attached.size === 0);
    expect((await post({ jsonrpc: '2.0', id: 1, method: 'ping' }, session)).status).toBe(404);
  });

  it('HTP-05: batches are taken up to 2025-03-26 and refused after', async () => {
    const { post, initialize } = await start();
    const batch = [
      { jsonrpc: '2.0', id: 1, method: 'ping' },
      { jsonrpc: '2.0', id: 2, method: 'ping' },
    ];
    const answers = await messagesOf(await post(batch, await initialize('2025-03-26')));
    expect(answers.flat().map((one: { id: number }) => one.id)).toEqual([1, 2]);
    const refused = await post(batch, await initialize('2025-06-18'));
    expect(refused.status).toBe(400);
    expect((await messagesOf(refused))[0].error.code).toBe(-32600);
    expect((await post(batch)).status).toBe(400);
    const twins = [batch[0], batch[0]];
    expect((await post(twins, await initialize('2025-03-26'))).status).toBe(400);
  });
});

describe('HTP-04: sessions', () => {
  it('are named by the server alone, and belong to one principal', async () => {
    const { url, post, initialize, runtime } = await start({ verifyToken });
    const ping = { jsonrpc: '2.0', id: 1, method: 'ping' };
    const chosen = { 'mcp-session-id': 'f3b4c1de-0000-4000-8000-000000000000' };
    expect((await post(ping, { ...ada, ...chosen })).status).toBe(404);
    expect((await post(initializeRequest(), { ...ada, ...chosen })).status).toBe(404);
    const session = await initialize('2025-11-25', ada);
    expect((await post(ping, session)).status).toBe(200);
    const stolen = await post(ping, { ...session, ...bob });
    const unknown = await post(ping, { ...ada, ...chosen });
    expect([stolen.status, await stolen.text()]).toEqual([404, await unknown.text()]);
    const other = await initialize('2025-11-25', bob);
    expect(other['mcp-session-id']).not.toBe(session['mcp-session-id']);
    // While one client is there, a request without an id is not taken for its own.
    expect((await post(ping, ada)).status).toBe(400);
    for (const method of ['GET', 'DELETE']) {
      const headers = { ...session, ...bob, accept: 'text/event-stream' };
      expect((await fetch(`${url}/mcp`, { method, headers })).status).toBe(404);
    }
    await post(callRequest(2, 'echo', { text: 't' }), session).then((response) => response.text());
    expect(runtime.calls[0]?.caller.principal).toBe('ada');
  });

  it('are capped, and idle ones end', async () => {
    const { post, initialize, runtime } = await start({ sessions: { max: 3, idleMs: 300 } });
    const sessions = [await initialize(), await initialize(), await initialize()];
    await post({ jsonrpc: '2.0', method: 'notifications/initialized' }, sessions[0]);
    await eventually(() => runtime.attached.size === 1);
    const refused = await post(initializeRequest());
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).toBe('30');
    const busy = post(callRequest(1, 'hang', { key: 'busy' }), sessions[2]);
    await eventually(
      async () =>
        (await post({ jsonrpc: '2.0', id: 1, method: 'ping' }, { ...sessions[1], probe: '1' }).then(
          (r) => r.status,
        )) === 200,
    );
    await eventually(async () => (await post(initializeRequest())).status === 200);
    expect((await post({ jsonrpc: '2.0', id: 1, method: 'ping' }, sessions[0])).status).toBe(404);
    runtime.release('busy');
    expect((await messagesOf(await busy))[0].result.content[0].text).toBe('released busy');
  });

  it('HTP-03: idle streams of SSE are capped, and keep nobody else out', async () => {
    const { url, initialize, post } = await start({ sessions: { max: 20 } });
    const streams = await Promise.all(
      Array.from({ length: 50 }, () => fetch(`${url}/sse`, { headers: { accept: 'text/event-stream' } })),
    );
    expect(streams.filter((stream) => stream.status === 200)).toHaveLength(20);
    expect(streams.filter((stream) => stream.status === 503)).toHaveLength(30);
    const session = await initialize();
    expect((await post({ jsonrpc: '2.0', id: 1, method: 'ping' }, session)).status).toBe(200);
    await Promise.all(streams.map((stream) => stream.body?.cancel()));
    await eventually(async () => {
      const stream = await fetch(`${url}/sse`, { headers: { accept: 'text/event-stream' } });
      await stream.body?.cancel();
      return stream.status === 200;
    });
  });

  it('of SSE belong to one principal too', async () => {
    const { url } = await start({ verifyToken });
    const aborter = new AbortController();
    const stream = await fetch(`${url}/sse`, {
      headers: { accept: 'text/event-stream', ...ada },
      signal: aborter.signal,
    });
    const first = await stream.body!.getReader().read();
    const path = /data: (\S+)/.exec(Buffer.from(first.value ?? []).toString())?.[1] ?? '';
    expect(path).toMatch(/^\/messages\?sessionId=[\w-]{36}$/);
    const send = (headers: Record<string, string>, to = path) =>
      fetch(url + to, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' }),
      });
    expect((await send(ada)).status).toBe(202);
    expect((await send(bob)).status).toBe(404);
    expect((await send(ada, '/messages?sessionId=x')).status).toBe(404);
    expect((await send(ada, '/messages')).status).toBe(404);
    aborter.abort();
    await eventually(async () => (await send(ada)).status === 404);
  });
});

describe('streamable HTTP without sessions, 2026-07-28', () => {
  it('serves each request by itself and gives no session id', async () => {
    const { post, runtime } = await start();
    const discovered = await post(
      { jsonrpc: '2.0', id: 1, method: 'server/discover', params: { _meta: modernMeta() } },
      modernHeaders('server/discover'),
    );
    expect(discovered.status).toBe(200);
    expect(discovered.headers.get('mcp-session-id')).toBeNull();
    expect((await messagesOf(discovered))[0].result).toMatchObject({
      supportedVersions: ['2026-07-28'],
      resultType: 'complete',
    });
    const [called] = await messagesOf(
      await post(modernCall('odd'), modernHeaders('tools/call', 'execute_tool')),
    );
    expect(called.result).toMatchObject({ ...oddResult, resultType: 'complete' });
    const listed = await post(
      { jsonrpc: '2.0', id: 1, method: 'tools/list', params: { _meta: modernMeta() } },
      modernHeaders('tools/list'),
    );
    expect((await messagesOf(listed))[0].result).toMatchObject({
      cacheScope: 'public',
      resultType: 'complete',
    });
    // One client, by principal and name, however many requests.
    expect(runtime.everAttached).toHaveLength(1);
    await messagesOf(
      await post(modernCall('odd', {}, 'another'), modernHeaders('tools/call', 'execute_tool')),
    );
    expect(runtime.everAttached.map((caller) => caller.clientName)).toEqual(['modern', 'another']);
  });

  it('CLI-01: equal ids at once are served each on its own stream', async () => {
    const { post, runtime } = await start();
    const all = Array.from({ length: 50 }, (_, n) =>
      post(modernCall('hang', { key: `nonce-${n}` }), modernHeaders('tools/call', 'execute_tool')),
    );
    await eventually(() => runtime.calls.length === 50);
    for (let n = 49; n >= 0; n -= 1) runtime.release(`nonce-${n}`);
    for (const [n, response] of (await Promise.all(all)).entries()) {
      expect((await messagesOf(response))[0].result.content[0].text).toBe(`released nonce-${n}`);
    }
  });

  it('CLI-03: a closed connection is a cancel', async () => {
    const { url, runtime } = await start();
    const aborter = new AbortController();
    const waiting = fetch(`${url}/mcp`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        ...modernHeaders('tools/call', 'execute_tool'),
      },
      body: JSON.stringify(modernCall('hang', { key: 'never' })),
      signal: aborter.signal,
    });
    waiting.catch(() => {});
    await eventually(() => runtime.calls.length === 1);
    aborter.abort();
    await eventually(() => runtime.calls[0]?.outcome === 'aborted');
  });

  it.each([
    ['Mcp-Name', modernHeaders('tools/call', 'search_tools')],
    ['Mcp-Method', modernHeaders('tools/list')],
    [
      'MCP-Protocol-Version',
      { ...modernHeaders('tools/call', 'execute_tool'), 'mcp-protocol-version': '2025-11-25' },
    ],
    ['no headers', {}],
  ])('HTP-05: refuses headers that say something else than the body: %s', async (_what, headers) => {
    const { post, runtime } = await start();
    const response = await post(modernCall('echo'), headers);
    expect(response.status).toBe(400);
    expect((await messagesOf(response))[0].error.code).toBe(-32020);
    expect(runtime.calls).toHaveLength(0);
  });

  it('HTP-05: answers an unknown method with 404', async () => {
    const { post } = await start();
    for (const method of ['resources/list', 'no/such', 'initialize', 'ping']) {
      const body = { jsonrpc: '2.0', id: 1, method, params: { _meta: modernMeta() } };
      const response = await post(body, modernHeaders(method));
      expect(response.status, method).toBe(404);
      expect((await messagesOf(response))[0], method).toMatchObject({ id: 1, error: { code: -32601 } });
    }
  });

  it('ends idle clients', async () => {
    const { post, runtime } = await start({ sessions: { idleMs: 200 } });
    await messagesOf(await post(modernCall('echo'), modernHeaders('tools/call', 'execute_tool')));
    expect(runtime.attached.size).toBe(1);
    await eventually(() => runtime.attached.size === 0);
  });
});

describe('listening', () => {
  it('says that a port is taken, and what to do', async () => {
    const { face, listener } = await start();
    const failed = await face
      .listen({ host: '127.0.0.1', port: listener.port })
      .catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(RuntimeError);
    expect(failed).toMatchObject({ code: 'PORT_IN_USE', hint: expect.stringContaining('another port') });
    expect((failed as Error).message).toContain(String(listener.port));
  });

  it('HTP-02: refuses to leave loopback without a token', async () => {
    const { face } = await start();
    for (const host of ['0.0.0.0', '::', '192.0.2.1', 'example.org']) {
      await expect(face.listen({ host, port: 0 })).rejects.toMatchObject({ code: 'UNAUTHORIZED' });
    }
    const lax = await start({ verifyToken, requireToken: false });
    await expect(lax.face.listen({ host: '0.0.0.0', port: 0 })).rejects.toMatchObject({
      code: 'UNAUTHORIZED',
    });
    await expect(lax.face.listen({ host: 'no.such.host.invalid', port: 0 })).rejects.toBeInstanceOf(
      RuntimeError,
    );
  });

  it('HTP-02: listens wide with a token, and asks for it', async () => {
    const { url, post } = await start({ verifyToken, host: '0.0.0.0' });
    expect((await fetch(`${url}/health`)).status).toBe(200);
    expect((await post(initializeRequest())).status).toBe(401);
    expect((await post(initializeRequest(), ada)).status).toBe(200);
  });

  it('closes while calls wait and streams are open', async () => {
    const { url, post, initialize, runtime, listener } = await start();
    const session = await initialize();
    const waiting = post(callRequest(1, 'hang', { key: 'x' }), session).then((response) => response.text());
    const sse = await fetch(`${url}/sse`, { headers: { accept: 'text/event-stream' } });
    const modern = post(modernCall('hang', { key: 'y' }), modernHeaders('tools/call', 'execute_tool'));
    await eventually(() => runtime.calls.length === 2);
    await listener.close();
    await Promise.allSettled([waiting, sse.text(), modern]);
    expect(runtime.calls.map((call) => call.outcome)).toEqual(['aborted', 'aborted']);
    expect(runtime.attached.size).toBe(0);
  });
});
