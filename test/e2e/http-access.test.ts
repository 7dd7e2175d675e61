import { type ChildProcess, spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ResourceServer } from '../../src/http/access/resource-server.js';
import { silentLogger } from '../../src/lib/log.js';
import { messagesOf, startHttpFace } from '../support/raw-http.js';
import { bin, good, workplace } from '../support/runtime.js';
import { leaksUnder, runWith } from '../support/secrets.js';
import { tokenIssuer } from '../support/token-issuer.js';

const place = workplace();
const running: ChildProcess[] = [];
afterEach(async () => {
  await Promise.all(
    running.splice(0).map(async (child) => {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await ended;
    }),
  );
});

const freePort = () =>
  new Promise<number>((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });

/** `mcp-runtime serve` over HTTP as a process of its own. */
async function serve(args: string[] = [], more: Record<string, string> = {}) {
  const port = await freePort();
  const words = [
    bin,
    'serve',
    '--engine',
    'embedded',
    '--transport',
    'http',
    '--port',
    String(port),
    ...args,
  ];
  const child = spawn(process.execPath, words, {
    env: { ...place().env, ...more },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    said += chunk.toString('utf8');
  });
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const url = `http://127.0.0.1:${port}`;
  const listens = new Promise<void>((resolve) => {
    child.stderr?.on('data', () => said.includes('listens on') && resolve());
  });
  const exitCode = await Promise.race([ended, listens.then(() => undefined)]);
  if (exitCode === undefined) running.push(child);
  return { url, port, exitCode, said: () => said };
}

const RPC = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };

async function connect(url: string, token?: string) {
  const auth: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const send = (body: object, headers: Record<string, string> = {}) =>
    fetch(`${url}/mcp`, {
      method: 'POST',
      headers: { ...RPC, ...auth, ...headers },
      body: JSON.stringify(body),
    });
  const params = {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'access', version: '1' },
  };
  const opened = await send({ jsonrpc: '2.0', id: 0, method: 'initialize', params });
  await opened.text();
  const session = {
    'mcp-session-id': opened.headers.get('mcp-session-id') ?? '',
    'mcp-protocol-version': '2025-11-25',
  };
  let id = 0;
  return {
    status: opened.status,
    headers: opened.headers,
    session,
    send,
    // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
    call: async (name: string, args: object = {}): Promise<any> => {
      const body = { jsonrpc: '2.0', id: ++id, method: 'tools/call', params: { name, arguments: args } };
      const response = await send(body, session);
      return (await messagesOf(response)).at(-1)?.result;
    },
  };
}

async function create(holder: string, ...args: string[]): Promise<{ token: string; id: string }> {
  const made = await runWith('', ['token', 'create', holder, ...args, '--json'], place().env);
  return JSON.parse(made.stdout) as { token: string; id: string };
}

describe('HTP-02: who may ask', () => {
  it('a token is shown once, kept as a hash, and asked for from then on; revoked it counts no more', async () => {
    place().servers({ good: good() });
    const open = await serve();
    expect((await connect(open.url)).status).toBe(200);
    const { token, id } = await create('ada', '--expires', '90d');
    // At once, also of a server that runs.
    await expect.poll(async () => (await connect(open.url)).status, { timeout: 10_000 }).toBe(401);
    const file = join(place().home, 'http-tokens.json');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(leaksUnder(place().home, [token, token.slice(token.indexOf(id) + id.length + 1)])).toEqual([]);
    expect(JSON.parse(readFileSync(file, 'utf8')).tokens[0]).toMatchObject({ holder: 'ada', id });
    const list = await runWith('', ['token', 'list', '--json'], place().env);
    expect(list.stdout).toContain(id);
    expect(list.stdout).not.toMatch(/hash|[0-9a-f]{64}/);

    const one = await connect(open.url, token);
    expect(one.status).toBe(200);
    expect((await one.call('list_servers')).isError).not.toBe(true);
    for (const wrong of [
      token.slice(0, -1),
      `${token}A`,
      token.replace(id, '000000000000'),
      token.toUpperCase(),
    ])
      expect((await connect(open.url, wrong)).status).toBe(401);
    // An open stream is cut off too.
    const stream = await fetch(`${open.url}/mcp`, {
      headers: { accept: 'text/event-stream', authorization: `Bearer ${token}`, ...one.session },
    });
    expect(stream.status).toBe(200);
    const cut = stream.text();
    expect((await runWith('', ['token', 'revoke', id, '--json'], place().env)).exitCode).toBe(0);
    await cut;
    expect((await connect(open.url, token)).status).toBe(401);
    expect((await connect(open.url)).status).toBe(401);
    expect(open.said()).not.toContain(token);
  });

  it('does not listen beyond this machine without a token', async () => {
    place().servers({});
    const refused = await serve(['--host', '0.0.0.0']);
    expect(refused.exitCode).toBe(4);
    expect(refused.said()).toMatch(/token create/);
    await create('ada');
    expect((await serve(['--host', '0.0.0.0'])).exitCode).toBeUndefined();
  });

  it('a token reaches what its scope names, on every path, and nothing tells that there is more', async () => {
    place().servers({ good: good(), hidden: good() });
    const all = await create('all');
    const some = await create('some', '--tool', 'good/ec*');
    const reads = await create('reads', '--server', 'go*', '--read-only');
    const { url } = await serve();
    const owner = await connect(url, all.token);
    await expect
      .poll(async () => (await owner.call('get_statistics')).structuredContent.learning.waiting, {
        timeout: 30_000,
      })
      .toBe(0);
    expect((await owner.call('list_servers')).structuredContent.total).toBe(2);
    const unknown = await owner.call('get_server_info', { server_name: 'no-such-server' });
    const execute = (tool_name: string, server_name = 'good', more: object = {}) =>
      ['execute_tool', { server_name, tool_name, arguments: { text: 'x' }, ...more }] as const;

    for (const { token } of [some, reads]) {
      const one = await connect(url, token);
      const { structuredContent: listed } = await one.call('list_servers');
      expect(listed.servers.map(({ server }: { server: string }) => server)).toEqual(['good']);
      expect(listed.total).toBe(1);
      const everything = await Promise.all([
        one.call('search_tools', { query: 'echo', limit: 100, min_score: 0 }),
        one.call('search_servers', { query: 'good hidden', min_score: 0 }),
        one.call('list_running_servers'),
        one.call('list_tasks'),
      ]);
      expect(JSON.stringify(everything)).not.toContain('hidden');
      const refusals = [
        await one.call('get_server_info', { server_name: 'hidden' }),
        await one.call('get_server_tools', { server_name: 'hidden' }),
        await one.call('get_tool_details', { server_name: 'hidden', tool_name: 'echo' }),
        await one.call('manage_server', { server_name: 'hidden', action: 'start' }),
        await one.call(...execute('echo', 'hidden')),
        await one.call(...execute('echo', 'hidden', { in_background: true })),
      ];
      for (const refusal of refusals)
        expect(refusal.structuredContent.error.code).toBe(unknown.structuredContent.error.code);
      expect((await one.call(...execute('echo'))).isError, token).not.toBe(true);
      // It changes something, and is outside of both.
      expect((await one.call(...execute('counter'))).isError).toBe(true);
      expect((await one.call(...execute('counter', 'good', { in_background: true }))).isError).toBe(true);
    }

    // Tasks belong to the holder.
    const { structuredContent: task } = await owner.call(...execute('echo', 'good', { in_background: true }));
    const foreign = await connect(url, some.token);
    const polled = await foreign.call('poll_task_result', { task_id: task.task_id, wait: 5 });
    expect(JSON.stringify(polled)).toMatch(/not_found|TASK_NOT_FOUND/);
    const { tasks } = (await foreign.call('get_statistics')).structuredContent;
    expect([tasks.queued, tasks.running, tasks.completed]).toEqual([0, 0, 0]);
    const mine = await (await connect(url, all.token)).call('poll_task_result', {
      task_id: task.task_id,
      wait: 20,
    });
    expect(mine.structuredContent.status).toBe('completed');
  });

  it('what one holder does is counted for it alone, and who may use a part of a server does not stop it', async () => {
    place().servers({ good: good() });
    const { token: first } = await create('ada');
    const { url } = await serve();
    const connected = async (...scope: string[]) =>
      connect(url, (await create(...(scope as [string]))).token);
    const ada = await connect(url, first);
    const bea = await connected('bea', '--server', 'good');
    const cy = await connected('cy', '--server', 'good', '--read-only');
    const dan = await connected('dan', '--tool', 'good/*cho');
    const echo = { server_name: 'good', tool_name: 'echo', arguments: { text: 'x' } };
    await ada.call('execute_tool', echo);
    const counted = async (one: typeof ada) => (await one.call('get_statistics')).structuredContent.calls;
    expect(await counted(ada)).toBe(1);
    expect(await Promise.all([bea, cy].map(counted))).toEqual([0, 0]);
    const shutdown = { server_name: 'good', action: 'shutdown' };
    for (const one of [cy, dan]) {
      const { structuredContent } = await one.call('manage_server', shutdown);
      expect(structuredContent).toMatchObject({ error: { code: 'FORBIDDEN' } });
    }
    expect((await ada.call('list_running_servers')).structuredContent.servers).toHaveLength(1);
    const stopped = await bea.call('manage_server', shutdown);
    expect(stopped.structuredContent).toMatchObject({ state: 'stopped' });
  }, 60_000);
});

describe('HTP-02: tokens of an issuer', () => {
  const resource = 'https://mcp.example/mcp';
  let issuer: Awaited<ReturnType<typeof tokenIssuer>>;
  beforeAll(async () => {
    issuer = await tokenIssuer();
    return () => issuer.close();
  });
  const claims = (more: object = {}) => ({
    iss: issuer.issuer,
    aud: resource,
    sub: 'ada',
    scope: 'openid mcp',
    exp: Date.now() / 1_000 + 600,
    ...more,
  });

  it('says where tokens come from, and takes those that are for us', async () => {
    place().servers({ good: good() });
    const { url, port } = await serve([], { OAUTH_ISSUER: issuer.issuer });
    const own = `http://127.0.0.1:${port}/mcp`;
    const refused = await connect(url);
    expect(refused.status).toBe(401);
    const where =
      /resource_metadata="([^"]+)"/.exec(refused.headers.get('www-authenticate') ?? '')?.[1] ?? '';
    expect(where).toBe(`${url}/.well-known/oauth-protected-resource/mcp`);
    const metadata = await (await fetch(where)).json();
    expect(metadata).toMatchObject({ resource: own, authorization_servers: [issuer.issuer] });
    for (const kid of ['rsa', 'ec', 'ed']) {
      const one = await connect(url, issuer.token(claims({ aud: [own, 'other'] }), { kid }));
      expect(one.status, kid).toBe(200);
      expect((await one.call('list_servers')).structuredContent.total).toBe(1);
    }
    const narrow = await connect(url, issuer.token(claims({ aud: own, scope: 'mcp mcp:server:none' })));
    expect((await narrow.call('list_servers')).structuredContent.total).toBe(0);
    const without = await connect(url, issuer.token(claims({ aud: own, scope: 'openid' })));
    expect([without.status, without.headers.get('www-authenticate')]).toEqual([
      403,
      expect.stringContaining('insufficient_scope'),
    ]);
    expect((await connect(url, issuer.token(claims()))).status).toBe(401);
    // Our own tokens go on to count beside them.
    expect((await connect(url, (await create('bob')).token)).status).toBe(200);
  });

  it.each<[string, (good: object) => string]>([
    ['another audience', (good) => issuer.token({ ...good, aud: 'https://other.example/mcp' })],
    ['an audience that begins with ours', (good) => issuer.token({ ...good, aud: `${resource}/x` })],
    ['no audience', (good) => issuer.token({ ...good, aud: undefined })],
    ['another issuer', (good) => issuer.token({ ...good, iss: 'https://evil.example' })],
    ['expired', (good) => issuer.token({ ...good, exp: Date.now() / 1_000 - 120 })],
    ['no end', (good) => issuer.token({ ...good, exp: undefined })],
    ['an end that is a text', (good) => issuer.token({ ...good, exp: '9999999999' })],
    ['not yet', (good) => issuer.token({ ...good, nbf: Date.now() / 1_000 + 600 })],
    ['nobody', (good) => issuer.token({ ...good, sub: undefined })],
    ['a name with a line feed', (good) => issuer.token({ ...good, sub: 'ada\nlocal' })],
    ['alg none', (good) => issuer.unsigned(good, { alg: 'none' })],
    ['alg None', (good) => issuer.unsigned(good, { alg: 'None', kid: 'ec' }, 'AAAA')],
    ['an inherited name as alg', (good) => issuer.unsigned(good, { alg: 'constructor', kid: 'ec' }, 'AAAA')],
    [
      'HS256 with the public key as the secret',
      (good) => {
        const signed = issuer.unsigned(good, { alg: 'HS256', kid: 'rsa' }).slice(0, -1);
        return `${signed}.${createHmac('sha256', issuer.publicPem).update(signed).digest('base64url')}`;
      },
    ],
    ['the algorithm of another key', (good) => issuer.token(good, { kid: 'ec', alg: 'EdDSA' })],
    ['a key that is too short', (good) => issuer.token(good, { kid: 'weak' })],
    ['an unknown key', (good) => issuer.token(good, { kid: 'nobody' })],
    ['a critical extension', (good) => issuer.token(good, { crit: ['exp'] })],
    ['a token for something else', (good) => issuer.token(good, { typ: 'logout+jwt' })],
    [
      'a changed claim',
      (good) =>
        issuer
          .token(good)
          .replace(/\.[^.]+\./, `.${issuer.unsigned({ ...good, sub: 'eve' }, {}).split('.')[1]}.`),
    ],
    ['no signature', (good) => issuer.token(good).replace(/[^.]+$/, '')],
    ['four parts', (good) => `${issuer.token(good)}.x`],
    ['padding', (good) => `${issuer.token(good)}=`],
  ])('%s is refused', async (_what, make) => {
    const server = new ResourceServer({ issuer: issuer.issuer, resource }, silentLogger);
    expect(await server.verify(issuer.token(claims()))).toMatchObject({ principal: 'oauth:ada' });
    expect(await server.verify(make(claims()))).toBe('invalid_token');
  });

  it('keys are asked for once, not for each token that somebody makes up', async () => {
    const server = new ResourceServer({ issuer: issuer.issuer, resource }, silentLogger);
    const before = issuer.asked.length;
    const made = Array.from({ length: 50 }, (_, n) => issuer.token(claims(), { kid: `made-up-${n}` }));
    for (const token of made) expect(await server.verify(token)).toBe('invalid_token');
    await Promise.all(Array.from({ length: 20 }, async () => server.verify(issuer.token(claims()))));
    expect(issuer.asked.length - before).toBeLessThanOrEqual(2);
  });
});

describe('HTP-03: limits', () => {
  it('a holder that asks too often is told when to come again; others and this machine are not held up', async () => {
    const started = await startHttpFace({
      verifyToken: async (token) => ({ principal: token }),
      requireToken: false,
      ratePerMinute: 60,
    });
    const ping = (token: string) =>
      fetch(`${started.url}/mcp`, {
        method: 'POST',
        headers: { ...RPC, ...(token ? { authorization: `Bearer ${token}` } : {}) },
        body: '{}',
      });
    const answers = await Promise.all(Array.from({ length: 30 }, () => ping('greedy')));
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused.length).toBeGreaterThanOrEqual(15);
    expect(Number(refused[0]?.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await ping('modest')).status).not.toBe(429);
    for (let i = 0; i < 30; i += 1) expect((await ping('')).status).not.toBe(429);
    await started.listener.close();
  });

  it('guessing tokens is slowed down, while a good one is let in from the same address', async () => {
    const started = await startHttpFace({
      verifyToken: async (token) => (token === 'good' ? { principal: 'ada' } : 'invalid_token'),
    });
    const get = (token: string) =>
      fetch(`${started.url}/mcp`, { headers: { authorization: `Bearer ${token}` } });
    const statuses = await Promise.all(
      Array.from({ length: 200 }, async (_, n) => (await get(`guess${n}`)).status),
    );
    expect(statuses.filter((status) => status === 429).length).toBeGreaterThan(50);
    expect((await get('good')).status).toBe(400);
    await started.listener.close();
  });

  it('idle streams are capped, and others go on', async () => {
    const started = await startHttpFace({ sessions: { max: 40 } });
    const leave = new AbortController();
    const streams = await Promise.all(
      Array.from({ length: 60 }, () =>
        fetch(`${started.url}/sse`, { headers: { accept: 'text/event-stream' }, signal: leave.signal }),
      ),
    );
    expect(streams.filter(({ status }) => status === 200)).toHaveLength(40);
    const refused = streams.filter(({ status }) => status === 503);
    expect(refused).toHaveLength(20);
    expect(refused[0]?.headers.get('retry-after')).toBe('30');
    expect((await connect(started.url)).status).toBe(200);
    leave.abort();
    await expect
      .poll(
        async () => {
          const again = new AbortController();
          const { status } = await fetch(`${started.url}/sse`, {
            headers: { accept: 'text/event-stream' },
            signal: again.signal,
          });
          again.abort();
          return status;
        },
        { timeout: 10_000 },
      )
      .toBe(200);
    await started.listener.close();
  });
});

describe('HTP-04: sessions', () => {
  it('belong to the token that began them; chosen, guessed, stolen and ended ones are alike unknown', async () => {
    const started = await startHttpFace({
      verifyToken: async (token) => ({
        principal: token.split('-')[0] ?? '',
        ...(token.endsWith('-less') ? { restriction: { allow: [{ server: 'a' }] } } : {}),
      }),
    });
    const ada = await connect(started.url, 'ada');
    expect(ada.session['mcp-session-id']).toMatch(/^[0-9a-f-]{36}$/);
    const list = { jsonrpc: '2.0', id: 1, method: 'tools/list' };
    const ask = async (token: string, id: string) => {
      const headers = { ...RPC, authorization: `Bearer ${token}`, 'mcp-session-id': id };
      const response = await fetch(`${started.url}/mcp`, {
        method: 'POST',
        headers,
        body: JSON.stringify(list),
      });
      return [response.status, response.status === 200 ? '' : await response.text()];
    };
    const id = ada.session['mcp-session-id'];
    expect((await ask('ada', id))[0]).toBe(200);
    const unknown = await ask('ada', 'chosen-by-the-client');
    expect(unknown[0]).toBe(404);
    for (const [token, session] of [
      ['bob', id],
      ['ada-less', id],
      ['ada', id.toUpperCase()],
      ['ada', `${id} `.repeat(2).trim()],
      ['ada', ''],
    ] as const)
      expect(await ask(token, session), `${token} ${session}`).toEqual(unknown);
    // Never "the only one".
    expect((await ada.send(list)).status).toBe(400);
    const chosen = await ada.send(
      {
        jsonrpc: '2.0',
        id: 2,
        method: 'initialize',
        params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'x', version: '1' } },
      },
      { 'mcp-session-id': 'mine' },
    );
    expect(chosen.status).toBe(404);
    const ended = await fetch(`${started.url}/mcp`, {
      method: 'DELETE',
      headers: { authorization: 'Bearer ada', 'mcp-session-id': id },
    });
    expect(ended.status).toBe(200);
    expect(await ask('ada', id)).toEqual(unknown);
    await started.listener.close();
  });

  it('a flood of them meets a cap for its holder, and what an idle one had started ends with it', async () => {
    const started = await startHttpFace({
      verifyToken: async (token) => ({ principal: token }),
      ratePerMinute: 0,
      sessions: { max: 50, maxPerOwner: 20, idleMs: 400 },
    });
    const statuses: number[] = [];
    for (let round = 0; round < 10; round += 1) {
      const opened = await Promise.all(Array.from({ length: 50 }, () => connect(started.url, 'flood')));
      statuses.push(...opened.map(({ status }) => status));
      const good = await connect(started.url, `good${round}`);
      expect(good.status).toBe(200);
    }
    expect(statuses.filter((status) => status === 503).length).toBeGreaterThan(100);
    // Each session that was opened takes leave of the runtime, with all that ran for it alone.
    await expect.poll(() => started.runtime.attached.size, { timeout: 15_000 }).toBe(0);
    await started.listener.close();
  });
});

describe('HTP-05: pages', () => {
  it('of a named origin may ask and read, all others may not', async () => {
    place().servers({});
    const { url } = await serve([], { CORS_ORIGINS: 'https://app.example, https://two.example' });
    const preflight = (origin: string) =>
      fetch(`${url}/mcp`, {
        method: 'OPTIONS',
        headers: {
          origin,
          'access-control-request-method': 'POST',
          'access-control-request-headers': 'authorization',
        },
      });
    const allowed = await preflight('https://app.example');
    expect(allowed.status).toBe(204);
    expect(allowed.headers.get('access-control-allow-origin')).toBe('https://app.example');
    expect(allowed.headers.get('access-control-allow-headers')).toMatch(/Mcp-Session-Id/);
    expect(allowed.headers.get('access-control-allow-credentials')).toBeNull();
    for (const origin of ['https://evil.example', 'http://app.example', 'https://app.example.evil', 'null']) {
      const refused = await preflight(origin);
      expect(refused.status, origin).toBe(403);
      expect(refused.headers.get('access-control-allow-origin')).toBeNull();
    }
    const asked = await fetch(`${url}/health`, { headers: { origin: 'https://two.example' } });
    expect([
      asked.status,
      asked.headers.get('access-control-allow-origin'),
      asked.headers.get('vary'),
    ]).toEqual([200, 'https://two.example', 'Origin']);
    // A page of this machine may ask as before, and reads nothing.
    const local = await fetch(`${url}/health`, { headers: { origin: 'http://localhost:5173' } });
    expect([local.status, local.headers.get('access-control-allow-origin')]).toEqual([200, null]);
  });
});
