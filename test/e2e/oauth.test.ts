import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../src/lib/log.js';
import { authorizedFetch } from '../../src/upstream/oauth/authorized-fetch.js';
import { type LoginOptions, login } from '../../src/upstream/oauth/login.js';
import { allowedUrl } from '../../src/upstream/oauth/safe-fetch.js';
import { TokenStore } from '../../src/upstream/oauth/token-store.js';
import {
  eventually,
  fixture,
  hostile,
  type RunningServer,
  readEvents,
  startHttpFixture,
} from '../support/processes.js';
import { bin, textOf, workplace } from '../support/runtime.js';
import { errorOf, remoteDefinition } from '../support/upstream.js';

const servers: RunningServer[] = [];
const folders: string[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop()));
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'mcprt-oauth-'));
  folders.push(folder);
  return folder;
}

async function protectedServer(...args: string[]) {
  const log = join(temporary(), 'events');
  const server = await startHttpFixture(fixture('oauth-server.mjs'), ['0', ...args], { HOSTILE_LOG: log });
  servers.push(server);
  return {
    url: `http://127.0.0.1:${server.port}/mcp`,
    events: (ev: string) => readEvents(log).filter((event) => event.ev === ev),
  };
}

/** The browser: follows where it is sent. */
const allow = (url: string) => void fetch(url);
const options = (more: Partial<LoginOptions> = {}): LoginOptions => ({
  store: new TokenStore(join(temporary(), 'oauth')),
  send: fetch,
  signal: new AbortController().signal,
  onUrl: allow,
  ...more,
});

describe('mcp-runtime auth', () => {
  const at = workplace();

  it('needs-auth until then; afterwards the running engine is let in; tokens at rest are sealed', async () => {
    const server = await protectedServer('60000');
    at().servers({ closed: { url: server.url } });
    const client = await at().client();
    await client.learnt();
    expect(textOf(await client.execute('closed', 'echo', { text: 'x' }))).toMatch(/mcp-runtime auth closed/);
    const { servers: listed } = (await client.call('list_servers')).structuredContent;
    expect(listed[0].state).toBe('needs-auth');

    const child = spawn(process.execPath, [bin, 'auth', 'closed'], { env: at().env });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString('utf8');
      const url = /^ {2}(http\S+)$/m.exec(said)?.[1];
      if (url) allow(url);
    });
    expect(await new Promise((resolve) => child.once('exit', resolve))).toBe(0);
    expect(server.events('granted')).toMatchObject([
      { client: 'registered-client', resource: server.url, scope: 'tools' },
    ]);

    const answer = await eventually(async () => {
      const result = await client.execute('closed', 'echo', { text: 'let in' });
      return result.isError ? undefined : textOf(result);
    }, 15_000);
    expect(answer).toBe('let in');
    const directory = join(at().home, 'oauth');
    for (const name of readdirSync(directory)) {
      expect(statSync(join(directory, name)).mode & 0o077).toBe(0);
      expect(readFileSync(join(directory, name), 'latin1')).not.toMatch(/accessToken|registered-client/);
    }
  });

  it('REM-06: two processes with ten calls each: one rotation for each expiry, none is revoked', async () => {
    const server = await protectedServer('1500', 'slow');
    at().servers({ closed: { url: server.url } });
    const store = new TokenStore(join(at().home, 'oauth'));
    await login(remoteDefinition('streamable-http', server.url, { name: 'closed' }), options({ store }));
    const clients = await Promise.all([at().client(), at().client()]);
    const until = Date.now() + 6_000;
    while (Date.now() < until) {
      const results = await Promise.all(
        clients.flatMap((client) =>
          Array.from({ length: 10 }, (_, i) => client.execute('closed', 'echo', { text: `n${i}` })),
        ),
      );
      for (const [index, result] of results.entries()) expect(textOf(result)).toBe(`n${index % 10}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const rotations = server.events('rotated').map((event) => event.t);
    expect(rotations.length).toBeGreaterThanOrEqual(2);
    for (const [index, t] of rotations.entries())
      if (index > 0) expect(t - (rotations[index - 1] ?? 0)).toBeGreaterThan(1_400);
    expect(server.events('family-revoked')).toEqual([]);
  });
});

describe('REM-06 tokens that run out', () => {
  async function granted(...args: string[]) {
    const server = await protectedServer(...args);
    const definition = remoteDefinition('streamable-http', server.url);
    const given = options();
    await login(definition, given);
    const send = authorizedFetch(definition, fetch, given.store, silentLogger);
    const ask = () =>
      send(server.url, {
        method: 'POST',
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' }),
      });
    return { server, ask, store: given.store, owner: { server: definition.name, url: server.url } };
  }
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

  it('a token endpoint that is down costs that call alone: the tokens are kept', async () => {
    const { server, ask, store, owner } = await granted('1500', 'flaky');
    await pause(1_700);
    expect((await errorOf(ask())).message).toContain('HTTP 503');
    expect((await store.load(owner))?.refreshToken).toBeDefined();
    expect((await ask()).status).toBe(200);
    expect(server.events('family-revoked')).toEqual([]);
  });

  it('a refused refresh token is cleared, and asked for once only', async () => {
    const { server, ask, store, owner } = await granted('1500', 'revoke');
    await pause(1_700);
    expect((await ask()).status).toBe(401);
    expect((await ask()).status).toBe(401);
    expect(await store.load(owner)).toMatchObject({ clientId: 'registered-client' });
    expect((await store.load(owner))?.refreshToken).toBeUndefined();
    expect(server.events('refused')).toHaveLength(1);
  });

  it('twenty at once refresh once', async () => {
    const { server, ask } = await granted('1500', 'slow');
    await pause(1_700);
    const answers = await Promise.all(Array.from({ length: 20 }, ask));
    expect(answers.map((one) => one.status)).toEqual(Array(20).fill(200));
    expect(server.events('rotated')).toHaveLength(1);
  });

  it('a definition with an authorization header of its own is left alone', async () => {
    const { server, store } = await granted('60000');
    const definition = remoteDefinition('streamable-http', server.url, {
      headers: { Authorization: 'Bearer own' },
    });
    expect(authorizedFetch(definition, fetch, store, silentLogger)).toBe(fetch);
  });
});

describe('tokens at rest', () => {
  it('open for their own server and url alone, and not when anything was changed', async () => {
    const directory = join(temporary(), 'oauth');
    const store = new TokenStore(directory);
    const owner = { server: 'a', url: 'https://a.example/mcp' };
    const grant = {
      tokenEndpoint: 'https://a.example/token',
      resource: owner.url,
      clientId: 'c',
      accessToken: 't',
    };
    await store.save(owner, grant);
    expect(await store.load(owner)).toEqual(grant);
    const [file = ''] = readdirSync(directory).filter((name) => name !== 'key');
    const sealed = readFileSync(join(directory, file));
    const other = { server: 'b', url: owner.url };
    await store.save(other, { ...grant, accessToken: 'u' });
    const [second = ''] = readdirSync(directory).filter((name) => name !== 'key' && name !== file);
    writeFileSync(join(directory, second), sealed);
    expect(await store.load(other)).toBeUndefined();
    for (let at = 0; at < sealed.length; at += 1) {
      const changed = Buffer.from(sealed);
      changed[at] = (changed[at] ?? 0) ^ 1;
      writeFileSync(join(directory, file), changed);
      expect(await store.load(owner)).toBeUndefined();
    }
  });
});

describe('REM-05 authorisation servers that lure', () => {
  it.each([
    ['js', 'authorization endpoint is at javascript:'],
    ['file', 'authorization endpoint is at file:'],
    ['loop', 'redirects, which is not followed'],
    ['hugejson', 'more than 1 MB'],
    ['mismatch', 'another resource'],
  ])('%s: is refused, nobody is sent anywhere', async (how, says) => {
    const server = await startHttpFixture(hostile('http-401'), ['0', how]);
    servers.push(server);
    const shown: string[] = [];
    const base = `http://127.0.0.1:${server.port}`;
    const definition = remoteDefinition('streamable-http', `${base}/mcp`);
    const error = await errorOf(login(definition, options({ onUrl: (url) => shown.push(url) })));
    expect(error).toMatchObject({ code: 'SERVER_NEEDS_AUTH', message: expect.stringContaining(says) });
    expect(shown).toEqual([]);
    const hits = (await (await fetch(`${base}/__hits`)).json()) as { url: string }[];
    expect(hits.filter((hit) => hit.url.startsWith('/canary'))).toEqual([]);
  });

  it.each([
    'http://169.254.169.254/latest',
    'https://169.254.169.254/latest',
    'https://[::ffff:127.0.0.1]/x',
    'https://10.0.0.1/x',
    'https://0x7f.1/x',
    'https://localhost/x',
    'https://metadata.google.internal/x',
    'http://accounts.example/x',
    'https://user:pass@accounts.example/x',
    'ftp://accounts.example/x',
    'not a url',
  ])('%s is no place to be sent to by a public server', (text) => {
    expect(() => allowedUrl('s', text, new URL('https://mcp.example/mcp'), 'endpoint')).toThrow(
      /endpoint is/,
    );
  });

  it.each(['https://accounts.example/x', 'https://mcp.example/y'])('%s is one', (text) => {
    expect(allowedUrl('s', text, new URL('https://mcp.example/mcp'), 'endpoint').href).toBe(text);
  });

  it('plain http is for a server of this machine at its own origin alone', () => {
    const own = new URL('http://127.0.0.1:8000/mcp');
    expect(allowedUrl('s', 'http://127.0.0.1:8000/token', own, 'endpoint').port).toBe('8000');
    expect(() => allowedUrl('s', 'http://127.0.0.1:9000/token', own, 'endpoint')).toThrow(/endpoint is/);
    // A person may say that both are theirs; that opens this machine alone, and to its own servers alone.
    expect(allowedUrl('s', 'http://127.0.0.1:9000/token', own, 'endpoint', true).port).toBe('9000');
    const outside = new URL('https://mcp.example/mcp');
    for (const [text, from] of [
      ['http://127.0.0.1:9000/token', outside],
      ['http://192.168.0.1/token', own],
      ['http://169.254.169.254/latest', own],
    ] as const)
      expect(() => allowedUrl('s', text, from, 'endpoint', true)).toThrow(/endpoint is/);
  });

  it('a client registered by hand serves where none can be registered', async () => {
    const server = await protectedServer('60000', 'plain');
    const definition = remoteDefinition('streamable-http', server.url);
    expect((await errorOf(login(definition, options()))).hint).toContain('--client-id');
    expect(await login(definition, options({ client: { id: 'by-hand' } }))).toBe(true);
    expect(server.events('granted')).toMatchObject([{ client: 'by-hand' }]);
  });
});
