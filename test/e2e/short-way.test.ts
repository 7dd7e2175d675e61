import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sameSecret } from '../../src/http/guard.js';
import { callRequest, lines, type RawResponse, rawHttp, startHttpFace } from '../support/raw-http.js';

// Before `initialized` a call goes the long way, through hono and the SDK; after it the short one. A client must not be
// able to tell, but that an answer is JSON or a stream of events, which the specification leaves to the server.

const ada = { authorization: 'Bearer token-of-ada' };
const PAGE = 'https://app.example';
const options = {
  maxBodyBytes: 50_000,
  corsOrigins: [PAGE],
  timeouts: { headersMs: 400, requestMs: 700 },
  verifyToken: async (token: string) => {
    const holder = ['ada', 'bob'].find((name) => sameSecret(token, `token-of-${name}`));
    return holder === undefined ? undefined : { principal: holder };
  },
};

async function served(way: 'long' | 'short', more: object = {}) {
  const http = await startHttpFace({ ...options, ...more });
  const session = await http.initialize('2025-11-25', ada);
  if (way === 'short') await http.initialized(session);
  return { http, session };
}
type Served = Awaited<ReturnType<typeof served>>;

const call = callRequest(7, 'echo', { text: 'é\u2028"' });
const json = JSON.stringify(call);

interface Sent {
  readonly first?: string;
  /** In place of the usual ones; null: without it. */
  readonly headers?: Readonly<Record<string, string | null>>;
  /** Lines that stand there besides. */
  readonly more?: readonly string[];
  readonly body?: string | Buffer;
}

function requestOf({ http, session }: Served, { first, headers = {}, more = [], body = json }: Sent): Buffer {
  const bytes = Buffer.from(body);
  const all: Record<string, string | null> = {
    host: `127.0.0.1:${http.listener.port}`,
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    'content-length': String(bytes.length),
    ...session,
    ...headers,
  };
  const given = Object.entries(all).filter(([, value]) => value !== null);
  const head = lines(first ?? 'POST /mcp', [...given.map(([name, value]) => `${name}: ${value}`), ...more]);
  return Buffer.concat([Buffer.from(head), bytes]);
}

const chunked = (...parts: string[]) =>
  `${[...parts, ''].map((part) => `${Buffer.byteLength(part).toString(16)}\r\n${part}\r\n`).join('')}`;
const inChunks = { 'content-length': null, 'transfer-encoding': 'chunked' };
const asked = (params: object) => JSON.stringify({ ...call, params });

const matrix: readonly [string, number, Sent][] = [
  ['a plain call', 200, {}],
  ['a page that may read answers', 200, { headers: { origin: PAGE } }],
  ['a page of this machine', 200, { headers: { origin: 'http://localhost:3000' } }],
  ['a foreign page', 403, { headers: { origin: 'https://evil.example' } }],
  ['a foreign Host', 403, { headers: { host: 'evil.example' } }],
  ['a Host with no port there is', 403, { headers: { host: '127.0.0.1:99999' } }],
  ['a Host that is no host', 403, { headers: { host: 'a b' } }],
  ['no Host', 400, { headers: { host: null } }],
  ['two Hosts', 400, { more: ['host: localhost'] }],
  ['no token', 401, { headers: { authorization: null } }],
  ['a wrong token', 401, { headers: { authorization: 'Bearer x' } }],
  ['a header that is no token', 401, { headers: { authorization: 'Basic x' } }],
  ['the token of somebody else', 404, { headers: { authorization: 'Bearer token-of-bob' } }],
  ['two tokens', 400, { more: ['authorization: Bearer token-of-bob'] }],
  ['no session', 400, { headers: { 'mcp-session-id': null } }],
  ['an unknown session', 404, { headers: { 'mcp-session-id': 'f3b4c1de-0000-4000-8000-000000000000' } }],
  ['no revision', 200, { headers: { 'mcp-protocol-version': null } }],
  ['another revision', 200, { headers: { 'mcp-protocol-version': '2025-06-18' } }],
  ['an unknown revision', 400, { headers: { 'mcp-protocol-version': '1999-01-01' } }],
  ['a revision without sessions', 400, { headers: { 'mcp-protocol-version': '2026-07-28' } }],
  ['JSON with a charset', 200, { headers: { 'content-type': 'Application/JSON; charset=utf-8' } }],
  ['what is not JSON by its type', 415, { headers: { 'content-type': 'text/plain' } }],
  ['no type', 415, { headers: { 'content-type': null } }],
  ['a compressed body', 415, { headers: { 'content-encoding': 'gzip' } }],
  ['what accepts no stream', 406, { headers: { accept: 'application/json' } }],
  ['what accepts no JSON', 406, { headers: { accept: 'text/event-stream' } }],
  ['no Accept', 406, { headers: { accept: null } }],
  ['another address', 404, { first: 'POST /mcp/' }],
  ['an address with a query', 200, { first: 'POST /mcp?x=1' }],
  ['another method', 405, { first: 'PUT /mcp' }],
  ['a body in chunks', 200, { headers: inChunks, body: chunked(json.slice(0, 20), json.slice(20)) }],
  ['a body that is too large', 413, { body: JSON.stringify('x'.repeat(50_000)) }],
  ['the same in chunks', 413, { headers: inChunks, body: chunked('"', 'x'.repeat(49_999), '"') }],
  ['a body that never ends', 408, { headers: { 'content-length': '9999' } }],
  ['no body', 400, { body: '' }],
  ['what is no JSON', 400, { body: json.slice(1) }],
  ['what is not UTF-8', 400, { body: Buffer.concat([Buffer.from('"'), Buffer.from([0xff, 0x22])]) }],
  ['a value', 400, { body: '7' }],
  ['a batch', 400, { body: `[${json}]` }],
  ['an id that is none', 400, { body: JSON.stringify({ ...call, id: 1.5 }) }],
  ['the id null', 400, { body: JSON.stringify({ ...call, id: null }) }],
  ['more than a request has', 400, { body: JSON.stringify({ ...call, surplus: 1 }) }],
  ['params that are none', 400, { body: JSON.stringify({ ...call, params: [] }) }],
  ['no method', 400, { body: JSON.stringify({ ...call, method: undefined }) }],
  ['a name twice', 200, { body: json.replace('"id":7', '"id":1,"id":7') }],
  ['a notification', 202, { body: JSON.stringify({ ...call, id: undefined }) }],
  ['another request', 200, { body: '{"jsonrpc":"2.0","id":7,"method":"ping"}' }],
  ['a result that no schema knows', 200, { body: JSON.stringify(callRequest(7, 'odd')) }],
  ['a large result', 200, { body: JSON.stringify(callRequest('7', 'big', { bytes: 100_000 })) }],
  ['an error of the tool', 200, { body: JSON.stringify(callRequest(7, 'upstream_error')) }],
  ['a server that died', 200, { body: JSON.stringify(callRequest(7, 'die')) }],
  ['a fault of ours', 200, { body: JSON.stringify(callRequest(7, 'bug')) }],
  ['an unknown tool of a server', 200, { body: JSON.stringify(callRequest(7, 'nothing')) }],
  ['an unknown tool', 200, { body: asked({ name: 'dance' }) }],
  ['no tool', 200, { body: asked({}) }],
  ['wrong arguments', 200, { body: asked({ name: 'execute_tool', arguments: { timeout: -1 } }) }],
  ['_meta of the client', 200, { body: asked({ ...callRequest(7, 'meta').params, _meta: { 'v/x': 1 } }) }],
  ['_meta that is none', 400, { body: asked({ ...call.params, _meta: 7 }) }],
  [
    'the envelope of the other era',
    400,
    { body: asked({ ...call.params, _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' } }) },
  ],
  ['fields of rounds', 200, { body: asked({ ...call.params, requestState: 's' }) }],
];

/** What the framing of an answer brings along, and what is another one each time. */
const FRAMING =
  /^(?:content-type|content-length|cache-control|connection|keep-alive|x-accel-buffering|transfer-encoding|date):/i;

function comparable({ status, head, body }: RawResponse, session: string) {
  const isStream = /^content-type: text\/event-stream/im.test(head);
  const whole = /^transfer-encoding: chunked/im.test(head) ? unchunked(body) : body;
  const messages = isStream
    ? whole
        .split('\n')
        .filter((line) => /^data: ./.test(line))
        .map((line) => JSON.parse(line.slice(6)))
    : whole.startsWith('{')
      ? [JSON.parse(whole)]
      : whole;
  const headers = head
    .split('\r\n')
    .slice(1)
    .filter((line) => !FRAMING.test(line))
    .map((line) => line.toLowerCase().replace(session, '<session>'));
  return { status, headers: headers.sort(), messages };
}

function unchunked(body: string): string {
  let rest = Buffer.from(body);
  const parts: Buffer[] = [];
  for (;;) {
    const end = rest.indexOf('\r\n');
    const size = Number.parseInt(rest.subarray(0, end).toString(), 16);
    if (!(size > 0)) return Buffer.concat(parts).toString();
    parts.push(rest.subarray(end + 2, end + 2 + size));
    rest = rest.subarray(end + 4 + size);
  }
}

describe('calls on the short way', () => {
  const ways: Served[] = [];
  beforeAll(async () => {
    ways.push(await served('long'), await served('short'));
  });
  afterAll(async () => {
    for (const { http } of ways) await http.listener.close();
  });

  it.concurrent.each(matrix)('are answered as on the long one: %s', async (name, status, sent) => {
    const [long, short] = await Promise.all(
      ways.map(async (way) => {
        const raw = await rawHttp(way.http.listener.port, requestOf(way, sent), 10_000);
        return { raw, seen: comparable(raw, way.session['mcp-session-id'] as string) };
      }),
    );
    expect(short?.seen, name).toEqual(long?.seen);
    expect(short?.seen.status).toBe(status);
    // It is another way indeed.
    if (name === 'a plain call') {
      expect(long?.raw.head).toMatch(/^content-type: text\/event-stream/im);
      expect(short?.raw.head).toMatch(/^content-type: application\/json/im);
    }
  });

  it('reach the runtime alike', () => {
    const [long, short] = ways.map(({ http }) =>
      http.runtime.calls.map(({ tool, meta, arguments: args, caller }) =>
        JSON.stringify([tool, meta, args, caller.principal, caller.clientName]),
      ),
    );
    expect(long?.length).toBeGreaterThan(10);
    expect(short?.sort()).toEqual(long?.sort());
  });

  it('share a connection, one after the other and pipelined', async () => {
    for (const way of ways) {
      const socket = connect(way.http.listener.port, '127.0.0.1');
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk.toString();
      });
      const answers = () => [...text.matchAll(/"id":(\d+)/g)].map(([, id]) => Number(id));
      const ask = (id: number) => requestOf(way, { body: JSON.stringify({ ...call, id }) });
      socket.write(ask(1));
      await expect.poll(answers).toEqual([1]);
      socket.write(Buffer.concat([ask(2), ask(3), ask(4)]));
      await expect.poll(answers).toEqual([1, 2, 3, 4]);
      socket.destroy();
    }
  });

  it('come in any pieces', async () => {
    for (const way of ways) {
      const request = requestOf(way, { body: JSON.stringify({ ...call, id: 1 }) });
      const body = request.indexOf('\r\n\r\n') + 4;
      const socket = connect({ port: way.http.listener.port, host: '127.0.0.1', noDelay: true });
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk.toString();
      });
      for (const [nth, cut] of [body - 9, body, body + 9, request.length - 1].entries()) {
        socket.write(request.subarray(0, cut));
        await new Promise((resolve) => setTimeout(resolve, 20));
        expect([...text.matchAll(/"id":1\b/g)]).toHaveLength(nth);
        socket.write(request.subarray(cut));
        await expect.poll(() => [...text.matchAll(/"id":1\b/g)]).toHaveLength(nth + 1);
      }
      socket.destroy();
    }
  });
});

describe('on the short way', () => {
  it.each([
    ['calls of a holder', 8, { ratePerMinute: 60 }, {}],
    ['wrong tokens', 100, {}, { authorization: 'Bearer x' }],
  ] as const)('%s are counted once', async (_name, burst, more, headers) => {
    const { http, session } = await served('short', more);
    const all = Array.from({ length: burst * 2 }, () => http.post(call, { ...session, ...headers }));
    const statuses = (await Promise.all(all)).map(({ status }) => status);
    await http.listener.close();
    // Counted twice, half of them would be too many at once.
    expect(statuses.filter((status) => status !== 429).length).toBeGreaterThanOrEqual(burst);
  });
});
