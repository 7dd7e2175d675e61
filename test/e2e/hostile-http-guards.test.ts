import type { RequestListener } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer, type LookupFunction } from 'node:net';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { steadyLookup } from '../../src/upstream/remote/steady-lookup.js';
import { localServers, MIB, secret, startHostileHttp } from '../support/http-servers.js';
import { eventually, fixture } from '../support/processes.js';
import { bench, errorOf, remoteDefinition, textOf, within } from '../support/upstream.js';

const bed = bench();
const started = (name: string, args: readonly string[]) => startHostileHttp(bed(), name, args);
const local = localServers();
const { listen } = local;

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
    // The first and five more, for each of the two ways in which it is greeted.
    const asked = (await server.hits()).map((hit) => hit.rpc);
    expect(asked).toEqual([...Array(6).fill('initialize'), ...Array(6).fill('server/discover')]);
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

describe('REM-05 a name that is rebound', () => {
  /** A resolver that says one address after the other, the last for ever. */
  const saying = (...addresses: string[]) => {
    let asked = 0;
    const resolve: LookupFunction = (_name, options, callback) => {
      const address = addresses[Math.min(asked, addresses.length - 1)] ?? '';
      asked += 1;
      if (options.all) callback(null, [{ address, family: 4 }]);
      else callback(null, address, 4);
    };
    return steadyLookup(resolve);
  };

  it('public first, then this machine: is refused, and nobody here is asked', async () => {
    const canary = await bed().http(fixture('good-server.mjs'), ['http', '0']);
    const url = `http://rebound.example:${canary.port}/mcp`;
    const lookup = saying('203.0.113.9', '127.0.0.1');
    const definition = remoteDefinition('streamable-http', url, {
      startTimeoutMs: 1_500,
      headers: { 'x-api-key': secret },
    });
    // Nobody answers at the public one.
    await errorOf(bed().open(definition, { lookup }));
    const error = await errorOf(bed().open(definition, { lookup }));
    expect(error.message).toMatch(/now stands for one of this network. The request was not sent/);
    expect(JSON.stringify(error)).not.toContain(secret);
    expect(bed().events('recv')).toEqual([]);
  });

  it('private from the beginning: is somebody\u2019s own server', async () => {
    const own = await bed().http(fixture('good-server.mjs'), ['http', '0', 'sse']);
    const url = `http://intranet.example:${own.port}/mcp`;
    const session = await bed().open(remoteDefinition('streamable-http', url), {
      lookup: saying('127.0.0.1'),
    });
    expect(await textOf(session.callTool('echo', { text: 'mine' }, within()))).toBe('mine');
  });
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
