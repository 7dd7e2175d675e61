import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startHostileIndex } from '../support/hostile-index.js';
import { startIndex } from '../support/index-server.js';
import { eventually, fixture } from '../support/processes.js';
import { good, textOf, workplace } from '../support/runtime.js';

interface Listed {
  readonly servers: { server: string; problem?: string; tools: number; state: string }[];
  readonly total: number;
  readonly problems?: string[];
}

describe('a remote index beside the servers file', () => {
  const at = workplace();
  let hostile: Awaited<ReturnType<typeof startHostileIndex>>;
  const started: Awaited<ReturnType<typeof startIndex>>[] = [];
  beforeAll(async () => {
    hostile = await startHostileIndex();
  });
  afterAll(() => hostile.stop());
  afterEach(async () => {
    await Promise.all(started.splice(0).map((one) => one.stop()));
  });

  async function index(...names: string[]) {
    const one = await startIndex();
    started.push(one);
    for (const name of names) await add(one, name);
    return one;
  }
  const add = async ({ url }: { url: string }, server_name: string) => {
    const body = { server_name, command: process.execPath, args: [fixture('good-server.mjs')] };
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(`${url}/api/mcp/servers`, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
    });
    expect(response.status).toBe(201);
  };
  const connect = async (url: string, more: Record<string, string> = {}, learnt = true) => {
    const client = await at().client({ env: { DISCOVERY_URL: url, LOG_LEVEL: 'silent', ...more } });
    if (learnt) await client.learnt();
    const list = async () => (await client.call('list_servers', { limit: 100 })).structuredContent as Listed;
    const find = async (query: string) =>
      (await client.call('search_tools', { query, min_score: 0, limit: 20 })).structuredContent as {
        hits: { server: string; tool: string }[];
      };
    return { ...client, list, find };
  };

  it('one catalog; a local definition wins over a remote one of the same name, also when it is broken', async () => {
    const { url } = await index('far', 'mine', 'broken');
    at().servers({ mine: good(), broken: { comand: 'node' } });
    const client = await connect(url);
    const { servers } = await client.list();
    expect(servers.map(({ server }) => server)).toEqual(['mine', 'far']);
    // The index says two tools of each.
    expect(servers.map(({ tools }) => tools > 2)).toEqual([true, false]);
    const { hits } = await client.find('read_file');
    expect(hits[0]).toMatchObject({ server: 'far', tool: 'read_file' });
    const info = await client.call('get_server_info', { server_name: 'far' });
    expect(info.structuredContent).toMatchObject({
      title: 'FAR',
      summary: 'Files.',
      capabilities: ['files'],
    });
    // What it really has is known once it ran, and stays known.
    expect(textOf(await client.execute('far', 'echo', { text: 'hi' }))).toContain('no tool "echo"');
    await client.call('manage_server', { server_name: 'far', action: 'start' });
    expect(textOf(await client.execute('far', 'echo', { text: 'hi' }))).toContain('hi');
  });

  it('an index that is down is a problem that is told; everything else works', async () => {
    const closed = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => closed.once('listening', resolve));
    const { port } = closed.address() as { port: number };
    await new Promise((resolve) => closed.close(resolve));
    at().servers({ mine: good() });
    const client = await connect(`http://127.0.0.1:${port}`);
    const { servers, problems } = await client.list();
    expect(servers).toMatchObject([{ server: 'mine' }]);
    expect(problems?.join()).toContain(`http://127.0.0.1:${port}`);
    expect((await client.find('echo')).hits[0]).toMatchObject({ server: 'mine', tool: 'echo' });
  });

  it.each(['hang', 'slow', 'endless', 'garbage', 'html', 'wrongtype', '401', '500', 'loop'])(
    '%s: search answers meanwhile, and the trouble is named',
    async (mode) => {
      at().servers({ mine: good() });
      const client = await connect(hostile.url(mode), {}, false);
      await eventually(async () => (await client.find('echo')).hits[0]?.server === 'mine', 20_000);
      await eventually(
        async () => (await client.list()).problems?.join().includes(hostile.url(mode)),
        25_000,
      );
      expect((await client.list()).servers).toMatchObject([{ server: 'mine' }]);
    },
    60_000,
  );

  it('the last good copy serves when the index is down, over a restart, and says so', async () => {
    const it = await index('far');
    at().servers({});
    const first = await connect(it.url);
    expect((await first.list()).servers).toMatchObject([{ server: 'far', tools: 2 }]);
    await first.close();
    await it.stop();
    const second = await connect(it.url);
    const { servers, problems } = await second.list();
    expect(servers).toMatchObject([
      { server: 'far', tools: 2, problem: expect.stringContaining('does not answer') },
    ]);
    expect(problems?.join()).toContain(it.url);
    expect((await second.find('read_file')).hits[0]).toMatchObject({ server: 'far', tool: 'read_file' });
    const call = await second.execute('far', 'read_file');
    expect(call).toMatchObject({ isError: true });
    expect(textOf(call)).toContain(it.url);
  });

  it('what the index adds is found, what it no longer has stays and is marked, what runs runs on', async () => {
    const it = await index('far', 'near');
    at().servers({});
    const client = await connect(it.url, { DISCOVERY_REFRESH: '1' });
    await client.call('manage_server', { server_name: 'far', action: 'start' });
    const running = (await client.call('list_running_servers')).structuredContent.servers;
    it.kept.delete('far');
    it.kept.delete('near');
    await add(it, 'new');
    await eventually(async () => (await client.list()).total === 3, 20_000);
    await eventually(
      async () =>
        (await client.list()).servers.filter(({ problem }) => problem?.includes('gone')).length === 2,
      20_000,
    );
    expect(textOf(await client.execute('far', 'echo', { text: 'still' }))).toContain('still');
    const after = (await client.call('list_running_servers')).structuredContent.servers;
    expect(after.map(({ pid }: { pid: number }) => pid)).toEqual(
      running.map(({ pid }: { pid: number }) => pid),
    );
    expect(textOf(await client.execute('near', 'read_file'))).toContain('knows no server');
  });

  it('runs nothing of what an evil index says, and says why', async () => {
    at().servers({});
    const client = await connect(hostile.url('evil'));
    const { servers } = await client.list();
    expect(servers.length).toBeGreaterThanOrEqual(hostile.evil.length);
    for (const name of hostile.evil) {
      const call = await client.execute(name, 'tool-1');
      expect(call.isError, name).toBe(true);
    }
    expect((await client.call('list_running_servers')).structuredContent.servers).toEqual([]);
    for (const folder of [process.cwd(), at().folder, at().home])
      expect(existsSync(join(folder, 'rel-pwned'))).toBe(false);
  }, 120_000);
});
