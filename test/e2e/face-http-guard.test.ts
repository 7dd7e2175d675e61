import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { sameSecret } from '../../src/http/guard.js';
import { createLogger } from '../../src/lib/log.js';
import { eventually } from '../support/processes.js';
import {
  callRequest,
  initializeRequest,
  lines,
  messagesOf,
  rawHttp,
  startHttpFace,
} from '../support/raw-http.js';

type Started = Awaited<ReturnType<typeof startHttpFace>>;

describe('HTP-01: Host and Origin on every route', () => {
  let started: Started;
  beforeAll(async () => {
    started = await startHttpFace();
  });
  afterAll(() => started.listener.close());

  const good = 'Host: localhost:PORT';
  it.each<[string, readonly string[], number]>([
    ['no Origin, as programs send', [good], 200],
    ['127.0.0.1', ['Host: 127.0.0.1:PORT'], 200],
    ['[::1]', ['Host: [::1]:PORT'], 200],
    ['localhost without a port', ['Host: localhost'], 200],
    ['another port than ours, as a forwarded one is', ['Host: localhost:9'], 200],
    ['upper case', ['Host: LOCALHOST:PORT'], 200],
    ['a page of this machine', [good, 'Origin: http://localhost:PORT'], 200],
    ['a page of this machine at another port', [good, 'Origin: http://localhost:5173'], 200],
    ['a page by https', [good, 'Origin: https://localhost'], 200],
    ['a page by address', [good, 'Origin: http://127.0.0.1:3000'], 200],
    ['a page by IPv6 address', [good, 'Origin: http://[::1]:3000'], 200],
    ['an Origin in upper case', [good, 'Origin: HTTP://LOCALHOST:3000'], 200],
    ['a foreign Host', ['Host: evil.example'], 403],
    ['a foreign Host with our port', ['Host: evil.example:PORT'], 403],
    ['a subdomain of ours', ['Host: a.localhost:PORT'], 403],
    ['our name as a label', ['Host: localhost.evil.example'], 403],
    ['our address as a label', ['Host: 127.0.0.1.nip.example'], 403],
    ['a user before', ['Host: localhost@evil.example'], 403],
    ['a user of ours before', ['Host: evil.example@localhost'], 403],
    ['a path in it', ['Host: localhost/evil.example'], 403],
    ['a fragment in it', ['Host: evil.example#localhost'], 403],
    ['a query in it', ['Host: evil.example?localhost'], 403],
    ['a trailing dot', ['Host: localhost.'], 403],
    ['two ports', ['Host: localhost:1:2'], 403],
    ['a port that is none', ['Host: localhost:x'], 403],
    ['an empty Host', ['Host: '], 403],
    ['0.0.0.0', ['Host: 0.0.0.0:PORT'], 403],
    ['the decimal form of 127.0.0.1', ['Host: 2130706433'], 403],
    ['the short form of 127.0.0.1', ['Host: 127.1'], 403],
    ['a mapped address', ['Host: [::ffff:127.0.0.1]'], 403],
    ['a foreign Origin', [good, 'Origin: https://evil.example'], 403],
    ['a foreign Origin with our name as a label', [good, 'Origin: http://localhost.evil.example'], 403],
    ['a foreign Origin with our name as the user', [good, 'Origin: http://localhost@evil.example'], 403],
    ['our Origin with a user', [good, 'Origin: http://evil@localhost'], 403],
    ['a foreign Origin with our name as the fragment', [good, 'Origin: http://evil.example#localhost'], 403],
    ['an Origin with a path', [good, 'Origin: http://localhost/evil'], 403],
    ['Origin: null', [good, 'Origin: null'], 403],
    ['a file', [good, 'Origin: file://'], 403],
    ['an extension', [good, 'Origin: chrome-extension://abcdef'], 403],
    ['another scheme with our name and a path', [good, 'Origin: evil://localhost/'], 403],
    ['two Origins', [good, 'Origin: http://localhost', 'Origin: https://evil.example'], 400],
    ['two Origins in one line', [good, 'Origin: http://localhost, https://evil.example'], 403],
    ['two Hosts', [good, 'Host: evil.example'], 400],
    ['two Hosts, the foreign first', ['Host: evil.example', good], 400],
    ['no Host', [], 400],
    ['an absolute URL of another host', [good, 'Origin: https://evil.example'], 403],
  ])('%s', async (_what, headers, status) => {
    const { port } = started.listener;
    const filled = headers.map((header) => header.replaceAll('PORT', String(port)));
    const health = await rawHttp(port, lines('GET /health', filled));
    expect(health.status).toBe(status);
    const body = JSON.stringify(initializeRequest());
    const mcp = await rawHttp(
      port,
      lines(
        'POST /mcp',
        [
          ...filled,
          'Content-Type: application/json',
          'Accept: application/json, text/event-stream',
          `Content-Length: ${Buffer.byteLength(body)}`,
        ],
        body,
      ),
    );
    expect(mcp.status).toBe(status);
    if (status !== 200) {
      for (const route of [
        'GET /sse',
        'POST /messages?sessionId=x',
        'GET /nowhere',
        'DELETE /mcp',
        'OPTIONS /mcp',
      ]) {
        const more = ['Accept: text/event-stream', 'Content-Length: 0', 'Connection: close'];
        expect((await rawHttp(port, lines(route, [...filled, ...more]))).status, route).toBe(status);
      }
    }
    expect(health.head + mcp.head).not.toMatch(/access-control/i);
  });

  it('takes the names it is told, and those alone', async () => {
    const own = await startHttpFace({
      allowedHosts: ['mcp.example:443'],
      allowedOrigins: ['https://app.example'],
    });
    const get = async (...headers: string[]) =>
      (await rawHttp(own.listener.port, lines('GET /health', headers))).status;
    expect(await get('Host: mcp.example:443', 'Origin: https://app.example')).toBe(200);
    expect(await get('Host: mcp.example')).toBe(403);
    expect(await get('Host: localhost')).toBe(403);
    expect(await get('Host: mcp.example:443', 'Origin: http://localhost')).toBe(403);
    await own.listener.close();
  });
});

describe('HTP-02: tokens', () => {
  const secret = 'a-token-nobody-may-see-0123456789';
  const logged: string[] = [];
  let started: Started;
  beforeAll(async () => {
    started = await startHttpFace({
      verifyToken: async (token) => (sameSecret(token, secret) ? { principal: 'ada' } : undefined),
      logger: createLogger('debug', { write: (line: string) => logged.push(line) }),
    });
  });
  afterAll(() => started.listener.close());

  it.each([
    ['none', undefined],
    ['a wrong one', 'Bearer wrong'],
    ['a prefix', `Bearer ${secret.slice(0, -1)}`],
    ['more than it', `Bearer ${secret}x`],
    ['another case', `Bearer ${secret.toUpperCase()}`],
    ['another scheme', `Basic ${secret}`],
    ['no scheme', secret],
    ['an empty one', 'Bearer '],
    ['two', `Bearer ${secret} ${secret}`],
  ])('%s is refused on every route that does something', async (_what, authorization) => {
    const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
    const refused = await started.post(initializeRequest(), headers);
    expect(refused.status).toBe(401);
    expect(refused.headers.get('www-authenticate')).toMatch(/^Bearer/);
    for (const [method, path] of [
      ['GET', '/sse'],
      ['POST', '/messages'],
      ['GET', '/mcp'],
      ['DELETE', '/mcp'],
      ['GET', '/nowhere'],
    ] as const) {
      expect((await fetch(started.url + path, { method, headers })).status, path).toBe(401);
    }
  });

  it('counts in the header alone, not in a URL or a body', async () => {
    for (const query of [`access_token=${secret}`, `token=${secret}`, `authorization=Bearer%20${secret}`]) {
      const response = await fetch(`${started.url}/mcp?${query}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
        body: JSON.stringify(initializeRequest()),
      });
      expect(response.status).toBe(401);
    }
  });

  it('lets the right one in, and says it to nobody', async () => {
    const session = await started.initialize('2025-11-25', { authorization: `Bearer ${secret}` });
    const [answer] = await messagesOf(await started.post(callRequest(1, 'meta'), session));
    await started.post('{', session);
    expect(JSON.stringify(answer)).not.toContain(secret);
    expect(started.runtime.calls[0]?.caller.principal).toBe('ada');
    expect(JSON.stringify(started.runtime.calls)).not.toContain(secret);
    expect(logged.join('')).not.toContain(secret);
  });

  it('is not needed for /health, which says nothing', async () => {
    const response = await fetch(`${started.url}/health`);
    expect(await response.json()).toEqual({ status: 'ok', version: '0.0.0-test' });
  });
});

describe('HTP-03: bodies and slow senders', () => {
  let started: Started;
  beforeAll(async () => {
    started = await startHttpFace({ maxBodyBytes: 100_000 });
  });
  afterAll(() => started.listener.close());
  afterEach(async () => {
    expect((await fetch(`${started.url}/health`)).status).toBe(200);
  });
  const headers = [
    'Host: localhost',
    'Content-Type: application/json',
    'Accept: application/json, text/event-stream',
  ];

  it.each(['/mcp', '/messages?sessionId=x'])(
    'a body over the limit is refused at %s, whatever its length says',
    async (path) => {
      const { port } = started.listener;
      const declared = await rawHttp(port, lines(`POST ${path}`, [...headers, 'Content-Length: 100000000']));
      expect(declared.status).toBe(413);
      const chunk = `${(50_000).toString(16)}\r\n${'x'.repeat(50_000)}\r\n`;
      const chunked = await rawHttp(
        port,
        lines(`POST ${path}`, [...headers, 'Transfer-Encoding: chunked'], chunk.repeat(4)),
      );
      expect(chunked.status).toBe(413);
    },
  );

  it('a body of the limit is read', async () => {
    const request = callRequest(1, 'echo', { text: 'x'.repeat(90_000) });
    expect((await started.post(request, await started.initialize())).status).toBe(200);
  });

  it('compressed bodies are not taken', async () => {
    const response = await started.post(initializeRequest(), { 'content-encoding': 'gzip' });
    expect(response.status).toBe(415);
  });

  it('a sender that never ends its headers or its body is answered 408', async () => {
    const impatient = await startHttpFace({ timeouts: { headersMs: 300, requestMs: 600 } });
    const { port } = impatient.listener;
    const slow = await Promise.all([
      rawHttp(port, 'POST /mcp HTTP/1.1\r\nHost: lo', 10_000),
      rawHttp(port, lines('POST /mcp', [...headers, 'Content-Length: 50'], '{'), 10_000),
    ]);
    expect(slow.map((response) => response.status)).toEqual([408, 408]);
    await impatient.listener.close();
  });

  it('many slow senders do not keep others out', async () => {
    const { port } = started.listener;
    const sockets = Array.from({ length: 300 }, (_, n) => {
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => {});
      socket.write(
        n % 2 === 0
          ? 'POST /mcp HTTP/1.1\r\nHost: lo'
          : lines('POST /mcp', [...headers, 'Content-Length: 50'], '{'),
      );
      return socket;
    });
    await started.initialize();
    for (const socket of sockets) socket.destroy();
  });
});

describe('HTP-05 and HTP-06: what is no MCP', () => {
  let started: Started;
  beforeAll(async () => {
    started = await startHttpFace();
  });
  afterAll(() => started.listener.close());
  const host = 'Host: localhost';
  const json = 'Content-Type: application/json';
  const both = 'Accept: application/json, text/event-stream';
  const ping = '{"jsonrpc":"2.0","id":1,"method":"ping"}';
  const post = (headers: string[], body: string) =>
    lines('POST /mcp', [host, ...headers, `Content-Length: ${Buffer.byteLength(body)}`], body);

  it.each<[string, string, number]>([
    ['a form', post([both, 'Content-Type: application/x-www-form-urlencoded'], 'a=b'), 415],
    ['text, which a page may send without asking', post([both, 'Content-Type: text/plain'], ping), 415],
    ['no type', post([both], ping), 415],
    [
      'JSON in the parameter of a type',
      post([both, 'Content-Type: text/plain; a=application/json'], ping),
      415,
    ],
    ['Accept without a stream', post([json, 'Accept: application/json'], ping), 406],
    ['Accept without JSON', post([json, 'Accept: text/event-stream'], ping), 406],
    ['no Accept', post([json], ping), 406],
    ['no JSON', post([json, both], '{'), 400],
    ['no body', post([json, both], ''), 400],
    ['null', post([json, both], 'null'), 400],
    ['a number', post([json, both], '5'), 400],
    ['no session', post([json, both], ping), 400],
    ['a bad initialize', post([json, both], '{"jsonrpc":"2.0","id":1,"method":"initialize"}'), 400],
    ['an unknown version', post([json, both, 'MCP-Protocol-Version: 2099-01-01'], ping), 400],
    ['GET without a session', lines('GET /mcp', [host, 'Accept: text/event-stream']), 400],
    ['DELETE without a session', lines('DELETE /mcp', [host]), 400],
    [
      'GET of an unknown session',
      lines('GET /mcp', [host, 'Accept: text/event-stream', 'Mcp-Session-Id: x']),
      404,
    ],
    ['/sse without Accept', lines('GET /sse', [host]), 406],
    ['OPTIONS', lines('OPTIONS /mcp', [host, 'Access-Control-Request-Method: POST']), 405],
    ['PUT', lines('PUT /mcp', [host, 'Content-Length: 0']), 405],
    ['TRACE', lines('TRACE /mcp', [host]), 405],
    ['POST /sse', lines('POST /sse', [host, 'Content-Length: 0']), 405],
    ['GET /messages', lines('GET /messages', [host]), 405],
    ['POST /health', lines('POST /health', [host, 'Content-Length: 0']), 405],
    ['another path', lines('GET /', [host]), 404],
    ['a path out of bounds', lines('GET /../../etc/passwd', [host]), 404],
    ['an encoded path', lines('GET /%2e%2e%2fetc', [host]), 404],
    ['a broken encoding', lines('GET /%ff%zz', [host]), 404],
    [
      'both lengths',
      lines('POST /mcp', [host, json, both, 'Content-Length: 4', 'Transfer-Encoding: chunked'], '0\r\n\r\n'),
      400,
    ],
    [
      'a chunk that is none',
      lines('POST /mcp', [host, json, both, 'Transfer-Encoding: chunked'], 'zz\r\n'),
      400,
    ],
    ['an obsolete fold', lines('GET /health', [host, 'X: a\r\n b: c']), 400],
    ['a bare carriage return', lines('GET /health', [host, 'X: a\rb']), 400],
    ['a NUL', lines('GET /health', [host, 'X: a\0b']), 400],
    ['not HTTP', 'hello\r\n\r\n', 400],
  ])('%s', async (_what, request, status) => {
    const response = await rawHttp(started.listener.port, request, 2_000);
    expect(response.status).toBe(status);
    expect(response.head + response.body).not.toMatch(
      /\bat .+:\d+:\d+|node_modules|\/src\/|\/dist\/|passwd|TypeError/,
    );
    expect(response.head).not.toMatch(/access-control|x-powered-by/i);
    expect(started.runtime.calls).toHaveLength(0);
  });

  it('says nothing of what went wrong inside', async () => {
    const failing = await startHttpFace({
      verifyToken: async () => {
        throw new Error('secret-of-the-implementation');
      },
    });
    const response = await failing.post(initializeRequest(), { authorization: 'Bearer x' });
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain('secret');
    const session = await started.initialize();
    const [answer] = await messagesOf(await started.post(callRequest(1, 'bug'), session));
    expect(answer.result.isError).toBe(true);
    expect(JSON.stringify(answer)).not.toMatch(/secret|\.ts/);
    started.runtime.calls.length = 0;
    await failing.listener.close();
  });

  it('a client that vanishes in the middle of a body is forgotten', async () => {
    const socket = connect(started.listener.port, '127.0.0.1');
    socket.write(lines('POST /mcp', [host, json, both, 'Content-Length: 5000'], '{"jsonrpc"'));
    await new Promise((resolve) => setTimeout(resolve, 50));
    socket.destroy();
    await eventually(async () => (await fetch(`${started.url}/health`)).status === 200);
  });
});
