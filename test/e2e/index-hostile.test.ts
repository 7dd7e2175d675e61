import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DiscoveryClient, type DiscoveryClientOptions } from '../../src/catalog/remote/discovery-client.js';
import { startHostileIndex } from '../support/hostile-index.js';

let index: Awaited<ReturnType<typeof startHostileIndex>>;
beforeAll(async () => {
  index = await startHostileIndex();
});
afterAll(() => index.stop());
beforeEach(() => index.clear());

const KEY = 'canary-key-1234567890';

function client(mode: string, more: Partial<DiscoveryClientOptions> = {}) {
  return new DiscoveryClient({
    url: index.url(mode),
    apiKey: KEY,
    backoffMs: 1,
    freshMs: 0,
    timeoutMs: 5_000,
    ...more,
  });
}

async function failure(promise: Promise<unknown>) {
  const error = await promise.then(
    () => undefined,
    (reason) => reason,
  );
  expect(error).toMatchObject({ name: 'RuntimeError' });
  expect(JSON.stringify(error)).not.toContain(KEY);
  expect(JSON.stringify(error).length).toBeLessThan(2048);
  return error;
}

describe('IDX-01: an index that is down, refuses or flaps', () => {
  it('says which index it is when nobody listens there', async () => {
    const closed = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => closed.once('listening', resolve));
    const { port } = closed.address() as { port: number };
    await new Promise((resolve) => closed.close(resolve));
    const error = await failure(
      new DiscoveryClient({ url: `http://127.0.0.1:${port}`, backoffMs: 1 }).listServers(),
    );
    expect(error).toMatchObject({ code: 'INDEX_UNAVAILABLE', data: { kind: 'unreachable' } });
    expect(error.message).toContain(`http://127.0.0.1:${port}`);
    expect(error.message).toContain('ECONNREFUSED');
  });

  it.each([
    ['401', 1, 'refused-key'],
    ['403', 1, 'refused-key'],
    ['404', 1, 'status'],
    ['429', 1, 'status'],
    ['500', 4, 'status'],
    ['503', 4, 'status'],
    ['reset', 4, 'unreachable'],
  ])('%s: asks %i times, and names the trouble', async (mode, times, kind) => {
    const error = await failure(client(mode).listServers());
    expect(error).toMatchObject({ code: 'INDEX_UNAVAILABLE', data: { kind } });
    expect(error.message).toContain(index.url(mode));
    expect(await index.ledger(mode)).toHaveLength(times);
  });

  it('gets through to an index that works every second time', async () => {
    expect((await client('flap').listServers()).servers).toHaveLength(250);
  });

  it.each(['then-503', 'then-401', 'then-html', 'then-hang'])(
    '%s: serves the last good list, and says since when',
    async (mode) => {
      let now = 1_000_000;
      const it = client(mode, { now: () => now, timeoutMs: 1_000 });
      const first = await it.listServers();
      expect(first).toMatchObject({ stale: false, since: 1_000_000, problems: [] });
      now += 60_000;
      const second = await it.listServers();
      expect(second).toMatchObject({ stale: true, since: 1_000_000 });
      expect(second.servers).toEqual(first.servers);
      expect(second.problems[0]).toContain(index.url(mode));
    },
  );

  it('never repeats a write', async () => {
    await failure(client('503').addServer({ name: 'x', command: 'npx', args: ['mcp-x'] }));
    await failure(client('503').deleteServer('x'));
    await failure(client('reset').updateServer('x', { args: [] }));
    expect(await index.ledger('503')).toHaveLength(2);
    expect(await index.ledger('reset')).toHaveLength(1);
  });

  it('stops asking after some failures, then sends one probe', async () => {
    let now = 1_000_000;
    const it = client('503', { now: () => now, retries: 0 });
    for (let i = 0; i < 3; i++) await failure(it.statistics());
    const paused = await failure(it.statistics());
    expect(paused.data.kind).toBe('paused');
    expect(await index.ledger('503')).toHaveLength(3);
    now += 60_000;
    await Promise.all([failure(it.statistics()), failure(it.listServers()), failure(it.listTools('x'))]);
    expect(await index.ledger('503')).toHaveLength(4);
  });

  it('comes back when the index does', async () => {
    let now = 1_000_000;
    const it = client('flap', { now: () => now, retries: 0 });
    await failure(it.statistics());
    now += 60_000;
    expect((await it.statistics()).totalServers).toBe(250);
  });

  it('does not come back within the time that Retry-After asks for', async () => {
    let now = 1_000_000;
    const it = client('429', { now: () => now });
    await failure(it.statistics());
    now += 60_000;
    expect((await failure(it.statistics())).data.kind).toBe('paused');
    expect(await index.ledger('429')).toHaveLength(1);
  });

  it('does not serve a startup configuration from memory once the key is refused', async () => {
    const it = client('then-401');
    await it.getCommand('server-1');
    await it.statistics();
    await it.statistics();
    expect((await failure(it.getCommand('server-1'))).data.kind).toBe('refused-key');
  });

  it('keeps the last good lists over a restart, and nothing that is secret', async () => {
    let saved: string | undefined;
    const cache = {
      load: () => saved,
      save: (text: string) => {
        saved = text;
      },
    };
    const first = client('good', { cache });
    await first.listServers();
    await first.listTools('server-3');
    await first.getCommand('server-3');
    first.close();
    expect(saved).not.toContain('server-everything');
    expect(saved).not.toContain(KEY);
    const at503 = saved?.replaceAll(index.url('good'), index.url('503'));
    const second = client('503', { cache: { load: () => at503, save: () => {} } });
    expect(await second.listServers()).toMatchObject({ stale: true, servers: { length: 250 } });
    expect(await second.listTools('server-3')).toMatchObject({ stale: true, tools: { length: 2 } });
    for (const text of [saved, '{', '[]', '{"version":1}', saved?.replace('"servers":[', '"servers":[7,')]) {
      await failure(client('503', { cache: { load: () => text, save: () => {} } }).listServers());
    }
  });
});

describe('closing', () => {
  it('ends what is on its way, and loses nothing of what was kept', async () => {
    let saved = '';
    const cache = {
      load: () => undefined,
      save: (text: string) => {
        saved = text;
      },
    };
    const it = client('then-hang', { cache });
    await it.listServers();
    const waiting = failure(it.listServers());
    it.close();
    expect((await waiting).code).toBe('CANCELLED');
    it.close();
    expect(saved).toContain('server-249');
  });
});

describe('IDX-02: an index that is slow, endless, huge or talks nonsense', () => {
  it.each(['hang', 'slow'])('%s: gives up when its time is over', async (mode) => {
    const error = await failure(client(mode, { timeoutMs: 300 }).listServers());
    expect(error).toMatchObject({ code: 'INDEX_UNAVAILABLE', data: { kind: 'timeout' } });
    expect(error.message).toContain(index.url(mode));
  });

  it.each(['endless', 'huge', 'bomb'])('%s: reads 20 MB and no more', async (mode) => {
    const error = await failure(client(mode).listServers());
    expect(error).toMatchObject({ code: 'INDEX_UNAVAILABLE', data: { kind: 'too-large' } });
    expect(await index.ledger(mode)).toHaveLength(1);
  });

  it.each(['garbage', 'html', 'empty', 'wrongtype', 'array'])(
    '%s: is no answer, whatever is asked',
    async (mode) => {
      for (const ask of [
        (it: DiscoveryClient) => it.listServers(),
        (it: DiscoveryClient) => it.listTools('x'),
        (it: DiscoveryClient) => it.getTool('x', 'y'),
        (it: DiscoveryClient) => it.getServer('x'),
        (it: DiscoveryClient) => it.statistics(),
        (it: DiscoveryClient) => it.searchTools({ query: 'x' }),
        (it: DiscoveryClient) => it.searchServers({ query: 'x' }),
      ]) {
        const error = await failure(ask(client(mode)));
        expect(error).toMatchObject({ code: 'INDEX_UNAVAILABLE', data: { kind: 'garbage' } });
        expect(error.message).toContain(index.url(mode));
      }
    },
  );

  it.each(['loop', 'same-page', 'endless-pages'])(
    '%s: ends, without a list that is only half there',
    async (mode) => {
      const error = await failure(client(mode).listServers());
      expect(error).toMatchObject({ code: 'INDEX_UNAVAILABLE', data: { kind: 'paging' } });
      expect((await index.ledger(mode)).length).toBeLessThanOrEqual(200);
    },
  );

  it('leaves bad entries out one by one, and keeps the rest', async () => {
    const it = client('bad-entries');
    const { servers, problems } = await it.listServers();
    expect(servers.map((server) => server.name)).toEqual(['server-0', 'new-style']);
    expect(problems).toHaveLength(10);
    expect(problems.join()).not.toContain('\u001b');
    const { tools, problems: others } = await it.listTools('server-0');
    expect(tools.map(({ tool }) => tool.name)).toEqual(['no-schema', 'fine']);
    expect(others).toHaveLength(3);
  });

  it.each(['cursor', 'next-offset', 'small-pages', 'good'])('%s: reads all pages', async (mode) => {
    const { servers } = await client(mode).listServers();
    expect(servers.map((server) => server.name)).toEqual(
      Array.from({ length: 250 }, (_, i) => `server-${i}`),
    );
  });

  it('asks once for many who ask at the same time, and goes on when one of them leaves', async () => {
    const it = client('good');
    const leaving = new AbortController();
    const left = it.statistics({ signal: leaving.signal });
    const stayed = Promise.all(Array.from({ length: 20 }, () => it.statistics()));
    leaving.abort(new Error('gone'));
    await expect(left).rejects.toThrow('gone');
    expect((await stayed).every((one) => one.totalServers === 250)).toBe(true);
    expect(await index.ledger('good')).toHaveLength(1);
  });

  it('does not ask again while an answer is fresh, and then only whether it changed', async () => {
    let now = 0;
    const it = client('etag', { now: () => now, freshMs: 30_000 });
    await it.listServers();
    now = 29_999;
    expect((await it.listServers()).since).toBe(0);
    expect(await index.ledger('etag')).toHaveLength(3);
    now = 30_000;
    expect(await it.listServers()).toMatchObject({ since: 30_000, stale: false, servers: { length: 250 } });
    const asked = await index.ledger('etag');
    expect(asked.slice(3).map((entry) => entry.headers['if-none-match'])).toEqual(['"v1"', '"v1"', '"v1"']);
  });

  it('does not follow a redirect to another origin, and carries no key there', async () => {
    const error = await failure(client('redirect-away').statistics());
    expect(error).toMatchObject({ data: { kind: 'redirect' } });
    expect(await index.ledger('good')).toHaveLength(0);
    expect((await failure(client('redirect-loop').statistics())).data.kind).toBe('redirect');
  });

  it('follows a redirect of the same origin', async () => {
    expect((await client('redirect-here').statistics()).totalServers).toBe(250);
    expect((await client('redirect-here').searchTools({ query: 'x' })).tools).toHaveLength(1);
  });
});

describe('IDX-03: an index that says to run what it must not', () => {
  it('lists them all: what is known of a server is harmless', async () => {
    expect((await client('evil').listServers()).servers).toHaveLength(index.evil.length + 1);
  });

  it('refuses each of them with the reason, and hands on the good one', async () => {
    const it = client('evil');
    for (const name of index.evil) {
      const error = await failure(it.getCommand(name));
      expect(['FORBIDDEN', 'CONFIG_INVALID'], name).toContain(error.code);
      expect(error.message, name).toContain(`"${name}"`);
    }
    expect((await failure(it.getCommand('impostor'))).code).toBe('CONFIG_INVALID');
    expect((await it.getCommand('fine')).definition).toEqual({
      name: 'fine',
      transport: 'stdio',
      command: 'npx',
      args: ['-y', '@modelcontextprotocol/server-everything'],
      env: { DEBUG: '1' },
      cwd: undefined,
      source: 'index',
      startTimeoutMs: 20_000,
      idleTimeoutMs: 600_000,
      maxConcurrency: 64,
      sharing: 'shared',
      restart: 'on-failure',
      hints: [],
      blockedTools: [],
      disabled: false,
      overwrite: false,
    });
    expect(existsSync('rel-pwned')).toBe(false);
  });
});

describe('IDX-04: an index that shrinks', () => {
  it('names what is gone, and goes on naming it', async () => {
    const it = client('shrink');
    expect((await it.listServers()).gone).toEqual([]);
    const after = await it.listServers();
    expect(after.servers).toHaveLength(10);
    expect(after.gone).toHaveLength(240);
    expect(after.gone).toContain('server-249');
    expect((await it.listServers()).gone).toHaveLength(240);
  });
});
