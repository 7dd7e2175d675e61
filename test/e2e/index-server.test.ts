import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { decryptFernet, generateFernetKey } from '../../src/lib/fernet.js';
import { eventually, fixture, hostile } from '../support/processes.js';
import { good, textOf, workplace } from '../support/runtime.js';
import { type ServedIndex, serveIndex } from '../support/served-index.js';

const KEY = generateFernetKey();
const SECRET = 'canary-secret-4711';

describe('an index that mcp-runtime serves', () => {
  const at = workplace();
  const served: ServedIndex[] = [];
  afterEach(async () => {
    await Promise.all(served.splice(0).map((one) => one.stop()));
  });

  async function index(...given: Parameters<typeof serveIndex> extends [unknown, (infer O)?] ? [O?] : never) {
    const one = await serveIndex(at(), given[0] ?? {});
    served.push(one);
    return one;
  }

  const body = (server_name: string, more: Record<string, unknown> = {}) => ({
    server_name,
    command: process.execPath,
    args: [fixture('good-server.mjs')],
    env: {
      TOKEN: SECRET,
      HOSTILE_LOG: join(at().folder, 'far.events'),
    },
    ...more,
  });

  it('gives another runtime a server that it has never seen: found, started, run', async () => {
    const it = await index({ env: { ENCRYPTION_KEY: KEY, INDEX_API_KEY: 'let-me-in' } });
    const headers = { authorization: 'Bearer let-me-in' };
    expect((await it.ask('POST', '/servers', { body: body('far') })).status).toBe(401);
    const added = await it.ask('POST', '/servers', { body: body('far'), headers });
    expect(added).toMatchObject({ status: 201, json: { server: { server_name: 'far' } } });
    expect(at().events('far', 'start')).toHaveLength(1);

    at().servers({});
    const client = await at().client({
      env: {
        DISCOVERY_URL: it.url,
        DISCOVERY_API_KEY: 'let-me-in',
        DISCOVERY_ENCRYPTION_KEY: KEY,
      },
    });
    await client.learnt();
    const found = await client.call('search_tools', { query: 'echo a text back', limit: 3 });
    expect(found.structuredContent.hits[0]).toMatchObject({ server: 'far', tool: 'echo', running: false });
    // Searching and listing started nothing.
    expect(at().events('far', 'start')).toHaveLength(1);
    expect(textOf(await client.execute('far', 'echo', { text: 'hello' }))).toContain('hello');
    expect(at().events('far', 'start')).toHaveLength(2);
    const stored = readFileSync(join(it.home, 'index', 'startups.db')).toString('latin1');
    expect(stored).not.toContain(SECRET);

    // What was pinned does not change behind the user's back.
    const path = '/servers/far';
    const changed = await it.ask('PUT', path, {
      body: { args: [fixture('good-server.mjs'), 'stdio'] },
      headers,
    });
    expect(changed.status).toBe(200);
    await client.call('manage_server', { server_name: 'far', action: 'shutdown' });
    const refused = await client.execute('far', 'echo', { text: 'again' });
    expect(refused.isError).toBe(true);
    expect(textOf(refused)).toContain('mcp-runtime approve far');
    const env = {
      ...at().env,
      DISCOVERY_URL: it.url,
      DISCOVERY_API_KEY: 'let-me-in',
      DISCOVERY_ENCRYPTION_KEY: KEY,
    };
    Object.assign(at().env, env);
    expect(await at().command('index', 'approve', 'far')).toMatchObject({ exitCode: 4, accepted: false });
    expect(await at().command('index', 'approve', 'far', '--yes')).toMatchObject({
      exitCode: 0,
      accepted: true,
    });
    expect(textOf(await client.execute('far', 'echo', { text: 'again' }))).toContain('again');
  });

  it('keeps what it was given, over a restart, and gives it only to who has the key', async () => {
    const home = join(at().folder, 'kept');
    const first = await index({ env: { ENCRYPTION_KEY: KEY }, home });
    await first.ask('POST', '/servers', { body: body('far') });
    await first.stop();

    await expect(index({ home })).rejects.toThrow(/ended with 10.*ENCRYPTION_KEY is not set/s);
    await expect(index({ home, env: { ENCRYPTION_KEY: generateFernetKey() } })).rejects.toThrow(
      /another key/,
    );

    const again = await index({ env: { ENCRYPTION_KEY: KEY }, home });
    expect((await again.ask('GET', '/statistics')).json).toMatchObject({ total_servers: 1 });
    expect((await again.ask('GET', '/servers/far/command')).status).toBe(403);
    const wrong = { 'x-encryption-key': generateFernetKey() };
    expect((await again.ask('GET', '/servers/far/command', { headers: wrong })).status).toBe(403);
    const right = { 'x-encryption-key': KEY };
    expect((await again.ask('GET', '/servers/far/command', { headers: right })).json).toMatchObject({
      command: process.execPath,
      env: { TOKEN: SECRET },
    });
    expect((await again.ask('DELETE', '/servers/far')).status).toBe(200);
    expect((await again.ask('GET', '/servers/far')).status).toBe(404);
  });

  it('a stored configuration that somebody changed is never run or shown', async () => {
    const home = join(at().folder, 'changed');
    const first = await index({ env: { ENCRYPTION_KEY: KEY }, home });
    expect(await first.ask('POST', '/servers', { body: body('far') })).toMatchObject({ status: 201 });
    await first.stop();
    const path = join(home, 'index', 'startups.db');
    const sql = (...words: string[]) =>
      JSON.parse(execFileSync(process.execPath, [fixture('sql.mjs'), path, ...words]).toString());
    const [{ config }] = sql('SELECT config FROM startups');
    expect(JSON.parse(decryptFernet(config, KEY).toString())).toMatchObject({ command: process.execPath });
    const flipped = config.slice(0, 40) + (config[40] === 'A' ? 'B' : 'A') + config.slice(41);
    expect(sql('UPDATE startups SET config = ?', flipped)).toMatchObject([{ changes: 1 }]);
    const again = await index({ env: { ENCRYPTION_KEY: KEY }, home });
    const answer = await again.ask('GET', '/servers/far/command', { headers: { 'x-encryption-key': KEY } });
    expect(answer.status).toBe(403);
    expect(JSON.stringify(answer.json)).not.toContain(flipped.slice(0, 30));
    expect((await again.ask('GET', '/servers')).json).toMatchObject({ servers: [{ server_name: 'far' }] });
  });

  it('refuses what no client would start, and servers that do not start; the rest of a file is added', async () => {
    const it = await index();
    const evil = body('evil', { command: 'sh', args: ['-c', `touch ${join(at().folder, 'pwned')}`] });
    expect(await it.ask('POST', '/servers', { body: evil })).toMatchObject({ status: 400 });
    const dead = body('dead', { args: [hostile('exits-immediately')] });
    expect(await it.ask('POST', '/servers', { body: dead })).toMatchObject({ status: 502 });
    const form = new FormData();
    const { server_name: _name, ...entry } = body('any');
    form.set(
      'file',
      new Blob([JSON.stringify({ mcpServers: { one: entry, two: entry, three: { command: 'sh' } } })]),
      'servers.json',
    );
    const bulk = await fetch(`${it.url}/api/mcp/servers/bulk`, { method: 'POST', body: form });
    expect(await bulk.json()).toMatchObject({ successful_count: 2, failed_count: 1 });
    expect((await it.ask('GET', '/servers')).json).toMatchObject({
      servers: [{ server_name: 'one' }, { server_name: 'two' }],
    });
    expect(existsSync(join(at().folder, 'pwned'))).toBe(false);
    // A body of unknown length, as proxies send it.
    const stream = new Blob([JSON.stringify({ query: 'echo' })]).stream();
    const chunked = await fetch(`${it.url}/api/mcp/tools/search`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: stream,
      duplex: 'half',
    } as RequestInit);
    expect(chunked.status).toBe(200);
    const found = await it.ask('POST', '/tools/search', { body: { query: 'echo', server_names: ['two'] } });
    expect(found.json).toMatchObject({
      tools: [{ tool_name: 'echo', server_name: 'two' }, ...(found.json['tools'] as []).slice(1)],
    });
  });

  it('a changed startup that fails leaves the old one in place', async () => {
    const it = await index();
    await it.ask('POST', '/servers', { body: body('far') });
    const failed = await it.ask('PUT', '/servers/far', { body: { args: [hostile('exits-immediately')] } });
    expect(failed.status).toBe(502);
    expect((await it.ask('GET', '/servers/far/command')).json).toMatchObject({
      args: [fixture('good-server.mjs')],
    });
    expect((await it.ask('GET', '/servers/far/tools/echo')).status).toBe(200);
  });

  it('serves the servers file where it is told to, and never without a key', async () => {
    at().servers({ mine: good() });
    await expect(index({ args: ['--include-file'] })).rejects.toThrow(/without ENCRYPTION_KEY/);
    const it = await index({ args: ['--include-file'], env: { ENCRYPTION_KEY: KEY } });
    await eventually(async () => {
      const { json } = await it.ask('GET', '/servers/mine');
      expect(json).toMatchObject({ server: { server_name: 'mine' } });
      return Number((json['server'] as { nb_tools: number }).nb_tools) > 0;
    }, 20_000);
    expect((await it.ask('DELETE', '/servers/mine')).status).toBe(403);
  });

  it('does not listen beyond this machine without a key, nor twice on one home', async () => {
    await expect(index({ args: ['--host', '0.0.0.0'] })).rejects.toThrow(/ended with 4.*INDEX_API_KEY/s);
    await index();
    await expect(index()).rejects.toThrow(/being served already/);
  });
});
