import { afterEach, describe, expect, it } from 'vitest';
import { DiscoveryClient, type DiscoveryClientOptions } from '../../src/catalog/remote/discovery-client.js';
import { SECOND_SPELLING } from '../../src/http/index-api/routes.js';
import { decryptFernet, encryptFernet, generateFernetKey } from '../../src/lib/fernet.js';
import { startIndex } from '../support/index-server.js';

const apiKey = 'api-key';
const encryptionKey = generateFernetKey();
let stop: (() => Promise<void>) | undefined;
afterEach(() => stop?.());

async function both(more: Partial<DiscoveryClientOptions> = {}) {
  const index = await startIndex({ apiKey, encryptionKey });
  stop = index.stop;
  const client = new DiscoveryClient({
    url: index.url,
    apiKey,
    encryptionKey,
    freshMs: 0,
    retries: 0,
    ...more,
  });
  return { index, client };
}

/** Speaks to the index as a client that asks for the second spelling. */
const second: typeof fetch = (to, init) =>
  fetch(to, { ...init, headers: { ...(init?.headers as Record<string, string>), accept: SECOND_SPELLING } });

describe.each([
  ['first spelling', fetch],
  ['second spelling', second],
])('DiscoveryClient against our own index, %s', (_, speak) => {
  it('does everything that the API has', async () => {
    const { client, index } = await both({ fetch: speak });
    const added = await client.addServer({
      name: 'files',
      command: 'npx',
      args: ['-y', 'mcp-files'],
      env: { TOKEN: 's3cret' },
      timeout: 9,
    });
    expect(added).toMatchObject({ name: 'files', title: 'FILES', toolCount: 2, capabilities: ['files'] });
    await client.addServer({
      name: 'ns/web é',
      url: 'https://example.com/mcp',
      headers: { Authorization: 'Bearer x' },
    });

    expect((await client.listServers()).servers.map((server) => server.name)).toEqual(['files', 'ns/web é']);
    expect((await client.getServer('ns/web é')).server).toMatchObject({
      name: 'ns/web é',
      summary: 'Files.',
      toolCount: 2,
    });
    const { tools } = await client.listTools('files');
    expect(tools.map(({ tool }) => tool.name)).toEqual(['read_file', 'write file/ü']);
    // A property that is called like a renamed field belongs to the tool.
    expect(tools[0]?.tool.inputSchema).toEqual({
      type: 'object',
      properties: { tool_name: { type: 'string' } },
    });
    expect((await client.getTool('ns/web é', 'write file/ü')).tool).toMatchObject({
      server: 'ns/web é',
      tool: { name: 'write file/ü' },
    });
    expect((await client.searchTools({ query: 'read_file', serverNames: ['files'] })).tools).toMatchObject([
      { server: 'files', tool: { name: 'read_file' }, score: 0.75 },
    ]);
    expect((await client.searchServers({ query: 'web' })).servers).toMatchObject([
      { name: 'ns/web é', score: 0.5 },
    ]);
    expect(await client.statistics()).toMatchObject({ totalServers: 2, totalTools: 4 });

    expect((await client.getCommand('files')).definition).toMatchObject({
      transport: 'stdio',
      command: 'npx',
      args: ['-y', 'mcp-files'],
      env: { TOKEN: 's3cret' },
      startTimeoutMs: 9_000,
    });
    expect((await client.getCommand('ns/web é')).definition).toMatchObject({
      transport: 'streamable-http',
      url: 'https://example.com/mcp',
      headers: { Authorization: 'Bearer x' },
    });

    await client.updateServer('files', { command: 'npx', args: ['-y', 'mcp-files'] });
    expect(index.kept.get('files')?.indexed).toBe(1);
    await client.updateServer('files', { args: ['-y', 'mcp-files@2'] });
    expect(index.kept.get('files')?.indexed).toBe(2);
    expect((await client.getCommand('files')).definition).toMatchObject({
      args: ['-y', 'mcp-files@2'],
      env: { TOKEN: 's3cret' },
    });

    const bulk = await client.addServersBulk({
      more: { command: 'npx', args: ['mcp-more'] },
      broken: { command: 'fails' },
      files: { command: 'npx' },
      empty: {},
      off: { command: 'npx', disabled: true },
      odd: 7,
    });
    expect(bulk).toMatchObject({ successCount: 1, failedCount: 5, totalCount: 6 });
    expect(bulk.results.map(({ name, success }) => [name, success])).toEqual([
      ['more', true],
      ['broken', false],
      ['files', false],
      ['empty', false],
      ['off', false],
      ['odd', false],
    ]);
    expect(bulk.results[0]?.server).toMatchObject({ name: 'more', toolCount: 2 });
    expect(bulk.results[1]?.message).toContain('ended at once');

    await client.deleteServer('files');
    await expect(client.getServer('files')).rejects.toMatchObject({ code: 'SERVER_NOT_FOUND' });
    await expect(client.listTools('files')).rejects.toMatchObject({ code: 'SERVER_NOT_FOUND' });
    await expect(client.getCommand('files')).rejects.toMatchObject({ code: 'SERVER_NOT_FOUND' });
    await expect(client.getTool('more', 'none')).rejects.toMatchObject({ code: 'TOOL_NOT_FOUND' });
    await expect(client.deleteServer('files')).rejects.toMatchObject({ code: 'SERVER_NOT_FOUND' });
    expect((await client.listServers()).gone).toEqual(['files']);
  });

  it('says in words why it refuses', async () => {
    const { client } = await both({ fetch: speak });
    await expect(client.addServer({ name: 'x' })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENTS',
      message: expect.stringContaining('command'),
    });
    await expect(client.addServer({ name: 'x', command: 'fails' })).rejects.toMatchObject({
      code: 'SERVER_START_FAILED',
      message: expect.stringContaining('ended at once'),
    });
    await client.addServer({ name: 'x', command: 'npx' });
    await expect(client.addServer({ name: 'x', command: 'npx' })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENTS',
      data: { status: 409 },
    });
    await expect(client.updateServer('y', { args: [] })).rejects.toMatchObject({ code: 'SERVER_NOT_FOUND' });
  });

  it('reads hundreds of servers page by page', async () => {
    const { client } = await both({ fetch: speak });
    const names = Array.from({ length: 230 }, (_, i) => `server-${i}`);
    await client.addServersBulk(Object.fromEntries(names.map((name) => [name, { command: 'npx' }])));
    expect((await client.listServers()).servers.map((server) => server.name)).toEqual(names);
  });
});

describe('keys', () => {
  it('stores startup configurations as Fernet tokens of sorted JSON', async () => {
    const { client, index } = await both();
    await client.addServer({ name: 'x', command: 'npx', args: ['b', 'a'], env: { Z: '1', A: 's3cret' } });
    const config = index.kept.get('x')?.sealed.config ?? '';
    expect(config).not.toContain('s3cret');
    expect(decryptFernet(config, encryptionKey).toString()).toBe(
      '{"args":["b","a"],"command":"npx","env":{"A":"s3cret","Z":"1"}}',
    );
  });

  it('hands nothing out without the encryption key, with another one, or when what is stored was changed', async () => {
    const { client, index } = await both();
    await client.addServer({ name: 'x', command: 'npx', env: { A: 's3cret' } });
    for (const key of [undefined, generateFernetKey(), 'nonsense']) {
      const other = new DiscoveryClient({ url: index.url, apiKey, encryptionKey: key, freshMs: 0 });
      const error = await other.getCommand('x').catch((reason) => reason);
      expect(error).toMatchObject({ code: 'INDEX_UNAVAILABLE', data: { kind: 'refused-key', status: 403 } });
      expect(JSON.stringify(error)).not.toMatch(/s3cret|gAAAAA/);
    }
    const kept = index.kept.get('x');
    const token = kept?.sealed.config ?? '';
    for (let i = 0; i < token.length; i += 7) {
      const config = `${token.slice(0, i)}${token[i] === 'A' ? 'B' : 'A'}${token.slice(i + 1)}`;
      if (kept) index.kept.set('x', { ...kept, sealed: { ...kept.sealed, config } });
      const answer = await fetch(`${index.url}/api/mcp/servers/x/command`, {
        headers: { authorization: `Bearer ${apiKey}`, 'x-encryption-key': encryptionKey },
      });
      expect([403, 507], `character ${i}`).toContain(answer.status);
      expect(await answer.text()).not.toMatch(/s3cret|AAAA/);
    }
  });

  it('passes single encrypted values through to the client, which decrypts them', async () => {
    const { client } = await both();
    await client.addServer({
      name: 'x',
      command: 'npx',
      args: ['mcp-x'],
      env: { A: encryptFernet('inner', encryptionKey) },
    });
    expect((await client.getCommand('x')).definition).toMatchObject({ env: { A: 'inner' } });
  });

  it('lets nobody in without the bearer key', async () => {
    const { index } = await both();
    for (const key of [undefined, 'wrong', `${apiKey}x`]) {
      const other = new DiscoveryClient({ url: index.url, apiKey: key, freshMs: 0 });
      await expect(other.listServers()).rejects.toMatchObject({ data: { kind: 'refused-key', status: 401 } });
      await expect(other.addServer({ name: 'x', command: 'npx' })).rejects.toMatchObject({
        data: { kind: 'refused-key' },
      });
    }
    expect(index.kept.size).toBe(0);
  });

  it('asks only whether a list changed, and tags no startup configuration', async () => {
    const { client, index } = await both();
    await client.addServer({ name: 'x', command: 'npx' });
    const headers = { authorization: `Bearer ${apiKey}`, 'x-encryption-key': encryptionKey };
    const list = await fetch(`${index.url}/api/mcp/servers`, { headers });
    const tag = list.headers.get('etag') ?? '';
    expect(
      (await fetch(`${index.url}/api/mcp/servers`, { headers: { ...headers, 'if-none-match': tag } })).status,
    ).toBe(304);
    const command = await fetch(`${index.url}/api/mcp/servers/x/command`, { headers });
    expect(command.headers.get('etag')).toBeNull();
    expect(command.headers.get('cache-control')).toBe('no-store');
  });
});
