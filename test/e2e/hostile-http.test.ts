import { createServer, type RequestListener, type Server } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import type { RemoteDefinition } from '../../src/core/server.js';
import type { UpstreamEvent } from '../../src/core/upstream.js';
import type { OpenSessionOptions } from '../../src/upstream/open-session.js';
import { eventually, fixture, hostile } from '../support/processes.js';
import { bench, errorOf, remoteDefinition, textOf, within } from '../support/upstream.js';

const bed = bench();
const MIB = 1_024 * 1_024;
const secret = 'canary-secret-0123456789';
const local: Server[] = [];
afterEach(() => {
  for (const server of local.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

interface Hit {
  readonly method: string;
  readonly url: string;
  readonly rpc?: string;
  readonly t: number;
  readonly headers: Record<string, string>;
}

async function started(name: string, args: readonly string[], more: Partial<RemoteDefinition> = {}) {
  const { port, output } = await bed().http(hostile(name), ['0', ...args]);
  const base = `http://127.0.0.1:${port}`;
  return {
    output,
    open: (options: Partial<OpenSessionOptions> = {}) =>
      bed().open(
        remoteDefinition('streamable-http', `${base}/mcp`, {
          name,
          headers: { 'x-api-key': secret },
          ...more,
        }),
        options,
      ),
    hits: async (rpc?: string) => {
      const all = (await (await fetch(`${base}/__hits`)).json()) as Hit[];
      return all.filter((hit) => rpc === undefined || hit.rpc === rpc);
    },
  };
}

/** A server of this test's own; ends with it. */
async function listen(handler: RequestListener): Promise<string> {
  const server = createServer(handler);
  local.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('REM-01 a server that forgets its sessions', () => {
  it.each(['404', '400'])('%s: one new session for all, each call executed once', async (how) => {
    // A session holds for ten calls, and twelve are made.
    const server = await started('http-404-session', how === '404' ? ['10', '404'] : ['10', '400']);
    const session = await server.open();
    const events: UpstreamEvent[] = [];
    session.subscribe((event) => events.push(event));
    const first = await Promise.all(
      Array.from({ length: 10 }, () => textOf(session.callTool('count', {}, within()))),
    );
    expect(first.map(Number).sort((a, b) => a - b)).toEqual(Array.from({ length: 10 }, (_, i) => i + 1));
    if (how === '400') {
      // The fixture says 400 with the code of an unknown session.
      expect(await textOf(session.callTool('count', {}, within()))).toBe('11');
    } else {
      const again = await Promise.all(
        Array.from({ length: 10 }, () => textOf(session.callTool('count', {}, within()))),
      );
      expect(again.map(Number).sort((a, b) => a - b)).toEqual(Array.from({ length: 10 }, (_, i) => i + 11));
    }
    expect(await server.hits('initialize')).toHaveLength(2);
    expect(events).toEqual([{ type: 'tools-changed' }]);
  });

  it.each(['503', '200err'])('%s may follow real work: the call fails, nothing is repeated', async (how) => {
    const server = await started('http-404-session', ['1', how]);
    const session = await server.open();
    expect(await textOf(session.callTool('count', {}, within()))).toBe('1');
    expect((await errorOf(session.callTool('count', {}, within()))).code).toBe('UPSTREAM_ERROR');
    expect(await server.hits('tools/call')).toHaveLength(2);
  });

  it('does not loop when the new session is forgotten as well', async () => {
    const server = await started('http-404-session', ['0', '404']);
    const session = await server.open();
    const error = await errorOf(session.callTool('count', {}, within()));
    expect(error.code).toBe('UPSTREAM_ERROR');
    expect(error.data).toMatchObject({ status: 404 });
    expect(await server.hits('initialize')).toHaveLength(2);
    expect(await server.hits('tools/call')).toHaveLength(2);
  });
});

describe('REM-02 HTTP errors and bodies that are no MCP', () => {
  it.each([
    ['500', /HTTP 500/, 4],
    ['502html', /HTTP 502: &lt;html&gt;/, 4],
    ['200html', /text\/html instead of JSON: &lt;html&gt;Please log in/, 1],
    ['empty', /HTTP answer was empty/, 1],
    ['204', /HTTP 204 answer has no body/, 1],
    ['reset', /connection broke/, 1],
  ])('%s: fails the start, says what it was, escaped and short', async (how, says, tries) => {
    const server = await started('http-500', [how]);
    const error = await errorOf(server.open());
    expect(error.code).toBe('SERVER_START_FAILED');
    expect(error.message).toMatch(says);
    expect(error.message.length).toBeLessThan(600);
    expect(JSON.stringify(error)).not.toContain('<script>');
    expect(await server.hits('initialize')).toHaveLength(tries);
  });

  it.each(['503retry', '429'])('%s: a Retry-After beyond the time left fails at once', async (how) => {
    const server = await started('http-500', [how]);
    const error = await errorOf(server.open());
    expect(error.message).toContain(how === '429' ? 'HTTP 429' : 'HTTP 503');
    expect(await server.hits('initialize')).toHaveLength(1);
  });

  it('okthen500: a call is never repeated', async () => {
    const server = await started('http-500', ['okthen500']);
    const session = await server.open();
    const error = await errorOf(session.callTool('echo', {}, within()));
    expect(error).toMatchObject({ code: 'UPSTREAM_ERROR', retryable: false });
    expect(error.data).toMatchObject({ server: 'http-500', status: 500 });
    expect(await server.hits('tools/call')).toHaveLength(1);
  });

  it('a short Retry-After is honoured', async () => {
    let asked = 0;
    const times: number[] = [];
    const base = await listen((req, res) => {
      req.resume();
      if (req.method !== 'POST') return void res.writeHead(405).end();
      asked += 1;
      times.push(performance.now());
      if (asked === 1) return void res.writeHead(503, { 'retry-after': '1' }).end();
      const result = {
        protocolVersion: '2025-11-25',
        capabilities: {},
        serverInfo: { name: 'n', version: '1' },
      };
      res
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify({ jsonrpc: '2.0', id: 1, result }));
    });
    const session = await bed().open(remoteDefinition('streamable-http', `${base}/mcp`));
    expect(session.identity.name).toBe('n');
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThan(950);
  });

  it('a server that is not there: says so', async () => {
    const base = await listen(() => {});
    await new Promise((resolve) => local.pop()?.close(resolve));
    const definition = remoteDefinition('streamable-http', `${base}/mcp`, { startTimeoutMs: 5_000 });
    const error = await errorOf(bed().open(definition));
    expect(error.code).toBe('SERVER_START_FAILED');
    expect(error.message).toContain('cannot be reached');
  });
});

describe('REM-03 answers that are slow, stuck or break off', () => {
  it.each(['drip', 'stall', 'noheaders', 'keepalive'])(
    '%s: the deadline holds and the socket is closed',
    async (how) => {
      const server = await started('http-slow-body', [how, '20']);
      const session = await server.open();
      const begun = performance.now();
      const error = await errorOf(session.callTool('echo', {}, within(700)));
      expect(error.code).toBe('TIMEOUT');
      expect(error.message).toContain('may have been executed');
      expect(performance.now() - begun).toBeLessThan(3_000);
      await eventually(() => bed().events('client-gone').length === 1);
      expect(await server.hits('tools/call')).toHaveLength(1);
    },
  );

  it.each(['mid', 'clean'])('%s: without an event id the call fails at once, executed once', async (how) => {
    const server = await started('http-sse-drop', [how, '50']);
    const session = await server.open();
    const error = await errorOf(session.callTool('work', {}, within(20_000)));
    expect(error).toMatchObject({ code: 'SERVER_DIED', retryable: false });
    expect(error.message).toContain('may have been executed');
    expect(bed().events('executed')).toHaveLength(1);
    expect(await textOf(session.callTool('count', {}, within()))).toBe('1');
  });

  it('priming, retry0: five reconnects at most, never closer than 500 ms', async () => {
    // Both at once: each takes its time.
    await Promise.all(
      ['priming', 'retry0'].map(async (how) => {
        const server = await started('http-sse-drop', [how, '50']);
        const session = await server.open();
        const error = await errorOf(session.callTool('work', {}, within(25_000)));
        expect(error.message).toContain('also after 5 reconnects. The call may have been executed');
        // The call's own stream and the one that belongs to no call: in eleven seconds some five each.
        const streams = (await server.hits()).filter((hit) => hit.method === 'GET');
        expect(streams.length).toBeLessThanOrEqual(12);
        expect(await server.hits('tools/call')).toHaveLength(1);
      }),
    );
    expect(bed().events('executed')).toHaveLength(2);
  });

  it('noeol: an event that does not end is no answer', async () => {
    const server = await started('http-sse-drop', ['noeol', '10']);
    expect((await errorOf((await server.open()).callTool('work', {}, within(600)))).code).toBe('TIMEOUT');
  });

  it('endless: one event is never held above the limit', async () => {
    const server = await started('http-sse-drop', ['endless', '10']);
    const session = await server.open({ maxMessageBytes: 4 * MIB });
    const before = process.memoryUsage().rss;
    const error = await errorOf(session.callTool('work', {}, within(25_000)));
    expect(error.code).toBe('RESULT_TOO_LARGE');
    expect(process.memoryUsage().rss - before).toBeLessThan(96 * MIB);
    expect(await textOf(session.callTool('count', {}, within()))).toBe('1');
  });

  it('a stream that is taken up again brings the answer', async () => {
    let posted: { id: number } | undefined;
    const base = await listen((req, res) => {
      const events = { 'content-type': 'text/event-stream' };
      if (req.method === 'GET' && req.headers['last-event-id'] === 'e1') {
        const answer = {
          jsonrpc: '2.0',
          id: posted?.id,
          result: { content: [{ type: 'text', text: 'late but here' }] },
        };
        return void res.writeHead(200, events).end(`id: e2\ndata: ${JSON.stringify(answer)}\n\n`);
      }
      if (req.method !== 'POST') return void req.resume().on('end', () => res.writeHead(405).end());
      let body = '';
      req.on('data', (chunk) => {
        body += String(chunk);
      });
      req.on('end', () => {
        const message = JSON.parse(body) as { id?: number; method: string };
        if (message.id === undefined) return void res.writeHead(202).end();
        if (message.method === 'initialize') {
          const result = {
            protocolVersion: '2025-06-18',
            capabilities: {},
            serverInfo: { name: 'n', version: '1' },
          };
          return void res
            .writeHead(200, { 'content-type': 'application/json' })
            .end(JSON.stringify({ jsonrpc: '2.0', id: message.id, result }));
        }
        posted = { id: message.id };
        res.writeHead(200, events).end('id: e1\ndata:\n\n');
      });
    });
    const session = await bed().open(remoteDefinition('streamable-http', `${base}/mcp`));
    expect(session.identity.protocolVersion).toBe('2025-06-18');
    expect(await textOf(session.callTool('any', {}, within()))).toBe('late but here');
  });
});

describe('REM-04 redirects', () => {
  it.each([
    ['307', 'host'],
    ['308', 'host'],
    ['302', 'host'],
    ['307', 'scheme'],
    ['307', 'metadata'],
  ])('%s to another origin (%s) is refused, and nobody there saw anything', async (code, how) => {
    const server = await started('http-redirect', [code, how]);
    const error = await errorOf(server.open());
    expect(error.code).toBe('SERVER_START_FAILED');
    expect(error.message).toMatch(/redirects \(HTTP 30[278]\): to .*, which is not http:\/\/127\.0\.0\.1/);
    expect(JSON.stringify(error)).not.toContain(secret);
    const canary = /CANARY (\d+)/.exec(server.output())?.[1];
    expect(await (await fetch(`http://127.0.0.1:${canary}/__hits`)).json()).toEqual([]);
  });

  it('a loop ends after five', async () => {
    const server = await started('http-redirect', ['307', 'loop']);
    expect((await errorOf(server.open())).message).toContain('more than 5 times');
    expect(await server.hits()).toHaveLength(6);
  });

  it('307 within the origin is followed', async () => {
    const session = await (await started('http-redirect', ['307', 'relative'])).open();
    expect(await textOf(session.callTool('echo', { text: 'there' }, within()))).toBe('there');
  });

  it.each(['302', '303'])('%s within the origin loses the message and is an error', async (code) => {
    const server = await started('http-redirect', [code, 'relative']);
    expect((await errorOf(server.open())).message).toContain('loses the message');
  });
});

describe('REM-05 a server that asks for authentication', () => {
  it.each(['canary', 'metadata', 'js', 'file', 'plain', 'loop', 'hugejson', 'mismatch'])(
    '%s: is said to need it, and no bait is taken',
    async (how) => {
      const server = await started('http-401', [how]);
      const error = await errorOf(server.open());
      expect(error.code).toBe('SERVER_NEEDS_AUTH');
      expect(JSON.stringify(error)).not.toContain(secret);
      expect((await server.hits()).filter((hit) => hit.url !== '/mcp')).toEqual([]);
      expect(await server.hits()).toHaveLength(1);
    },
  );
});

describe('REM-07 headers and bodies that are too large', () => {
  const initialize =
    (headers: Record<string, string>, body?: Buffer): RequestListener =>
    (req, res) => {
      req.resume();
      const result = {
        protocolVersion: '2025-11-25',
        capabilities: {},
        serverInfo: { name: 'n', version: '1' },
      };
      res.writeHead(200, { 'content-type': 'application/json', ...headers });
      res.end(body ?? JSON.stringify({ jsonrpc: '2.0', id: 1, result }));
    };

  it.each([
    ['too long', 'x'.repeat(2_000)],
    ['with a space', 'a b'],
    ['beyond ASCII', 'abc\u00e9'],
  ])('a session id %s is refused', async (_what, id) => {
    const base = await listen(initialize({ 'mcp-session-id': id }));
    expect((await errorOf(bed().open(remoteDefinition('streamable-http', base)))).message).toContain(
      'session id',
    );
  });

  it('a header of 100 KB is one clear error', async () => {
    const base = await listen(initialize({ 'x-huge': 'x'.repeat(100_000) }));
    const error = await errorOf(
      bed().open(remoteDefinition('streamable-http', base, { startTimeoutMs: 8_000 })),
    );
    expect(error.code).toBe('SERVER_START_FAILED');
    expect(error.message.length).toBeLessThan(500);
  });

  it('a small compressed body does not become a large one', async () => {
    const bomb = gzipSync(Buffer.alloc(256 * MIB, 0x20));
    const base = await listen(initialize({ 'content-encoding': 'gzip' }, bomb));
    const before = process.memoryUsage().rss;
    const error = await errorOf(
      bed().open(remoteDefinition('streamable-http', base), { maxMessageBytes: 4 * MIB }),
    );
    expect(error.message).toContain('at most 4194304 are accepted');
    expect(process.memoryUsage().rss - before).toBeLessThan(96 * MIB);
  });
});

describe('SOK-03 sockets', () => {
  it('none is left when the session is closed', async () => {
    const inner = await bed().http(fixture('good-server.mjs'), ['http', '0', 'sse']);
    // A plain proxy in this process, to count the connections.
    let open = 0;
    const proxy = createTcpServer((socket) => {
      open += 1;
      socket
        .on('error', () => {})
        .on('close', () => {
          open -= 1;
        });
      const onward = connect(inner.port, '127.0.0.1').on('error', () => {});
      socket.pipe(onward).pipe(socket);
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const { port } = proxy.address() as AddressInfo;
    const session = await bed().open(remoteDefinition('streamable-http', `http://127.0.0.1:${port}/mcp`));
    await Promise.all(Array.from({ length: 20 }, () => session.callTool('echo', { text: 'x' }, within())));
    await errorOf(session.callTool('sleep', { ms: 20_000 }, within(200)));
    expect(open).toBeGreaterThan(0);
    await session.close();
    await eventually(() => open === 0);
    expect(bed().events('deleted')).toHaveLength(1);
    await new Promise((resolve) => proxy.close(resolve));
  });
});

describe('HTTP+SSE', () => {
  it('an endpoint on another origin is refused', async () => {
    const base = await listen((_req, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      res.write('event: endpoint\ndata: http://127.0.0.1:9/steal\n\n');
    });
    const error = await errorOf(
      bed().open(remoteDefinition('sse', `${base}/sse`, { headers: { 'x-api-key': secret } })),
    );
    expect(error.code).toBe('SERVER_START_FAILED');
    expect(error.message).toContain('is on http://127.0.0.1:9, not on');
  });

  it('a stream that ends takes the session with it', async () => {
    let stream: { end(): void } | undefined;
    let id = 0;
    const base = await listen((req, res) => {
      if (req.method === 'GET') {
        stream = res;
        res.writeHead(200, { 'content-type': 'text/event-stream' });
        return void res.write('event: endpoint\ndata: /post\n\n');
      }
      req.resume();
      res.writeHead(202).end();
      id += 1;
      const result = {
        protocolVersion: '2024-11-05',
        capabilities: {},
        serverInfo: { name: 'n', version: '1' },
      };
      if (id === 1)
        (stream as typeof res).write(`data: ${JSON.stringify({ jsonrpc: '2.0', id: 1, result })}\n\n`);
    });
    const session = await bed().open(remoteDefinition('sse', `${base}/sse`));
    const waiting = errorOf(session.callTool('any', {}, within()));
    await eventually(() => id === 3);
    stream?.end();
    expect((await waiting).code).toBe('SERVER_DIED');
    expect(await session.ended).toEqual({ reason: 'lost', message: 'ended its event stream' });
  });

  it('a url that is none, and a header that cannot be sent', async () => {
    expect((await errorOf(bed().open(remoteDefinition('sse', 'ftp://x/')))).message).toContain(
      'not an http or https address',
    );
    const error = await errorOf(
      bed().open(
        remoteDefinition('sse', 'http://127.0.0.1:9/', { headers: { 'x-key': `${secret}\r\nevil: 1` } }),
      ),
    );
    expect(error.message).toContain('"x-key" cannot be sent');
    expect(JSON.stringify(error)).not.toContain(secret);
  });
});
