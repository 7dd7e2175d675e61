import { describe, expect, it } from 'vitest';
import { fetchRegistry, readRegistry } from './registry.js';

const META = 'io.modelcontextprotocol.registry/official';
const npm = (name: string, more: object = {}) => ({
  name,
  description: 'Does things.',
  version: '1.0.2',
  packages: [
    {
      registryType: 'npm',
      identifier: '@scope/mcp-x',
      version: '1.0.2',
      transport: { type: 'stdio' },
      ...more,
    },
  ],
});
const first = (server: unknown) => readRegistry({ servers: [{ server }] }).entries[0];

describe('readRegistry', () => {
  it('npm: arguments of the runtime and of the package, variables', () => {
    expect(
      first(
        npm('io.github.ada/mcp-x', {
          runtimeHint: 'npx',
          runtimeArguments: [{ type: 'positional', value: '-y' }],
          packageArguments: [
            { type: 'positional', value: 'stdio' },
            { type: 'named', name: '--port', default: '3000' },
            { type: 'named', name: '--dir', valueHint: 'directory', isRequired: true },
            { type: 'named', name: '--level', valueHint: 'level' },
            {
              type: 'named',
              name: '--base=',
              value: 'https://{host}/v1',
              variables: { host: { default: 'h.example' } },
            },
          ],
          environmentVariables: [
            { name: 'API_KEY', description: 'The key', isRequired: true, isSecret: true },
            { name: 'REGION', default: 'eu' },
            { name: 'OPTIONAL' },
            { name: 'FIXED', value: 'x' },
          ],
        }),
      ),
    ).toEqual({
      name: 'mcp-x',
      registryName: 'io.github.ada/mcp-x',
      title: undefined,
      description: 'Does things.',
      version: '1.0.2',
      definition: {
        command: 'npx',
        args: [
          '-y',
          '@scope/mcp-x@1.0.2',
          'stdio',
          '--port',
          '3000',
          '--dir',
          '${env:MCP_X_DIR}',
          '--base=https://h.example/v1',
        ],
        env: { API_KEY: '${env:API_KEY}', REGION: 'eu', FIXED: 'x' },
      },
      needs: [
        { variable: 'MCP_X_DIR', description: undefined, required: true, secret: false },
        { variable: 'MCP_X_LEVEL', description: undefined, required: false, secret: false },
        { variable: 'API_KEY', description: 'The key', required: true, secret: true },
        { variable: 'OPTIONAL', description: undefined, required: false, secret: false },
      ],
    });
  });

  it.each([
    ['pypi', 'mcp-x', '2.0', { command: 'uvx', args: ['mcp-x@2.0'] }],
    ['nuget', 'Ada.Mcp', '1.0.0', { command: 'dnx', args: ['Ada.Mcp@1.0.0', '--yes'] }],
    ['oci', 'docker.io/ada/x', '3', { command: 'docker', args: ['run', '-i', '--rm', 'docker.io/ada/x:3'] }],
    ['oci', 'ghcr.io/ada/x:4', '3', { command: 'docker', args: ['run', '-i', '--rm', 'ghcr.io/ada/x:4'] }],
    [
      'oci',
      'localhost:5000/ada/x',
      undefined,
      { command: 'docker', args: ['run', '-i', '--rm', 'localhost:5000/ada/x'] },
    ],
  ])('%s %s %s', (registryType, identifier, version, definition) => {
    expect(first({ name: 'a.b/c', packages: [{ registryType, identifier, version }] })?.definition).toEqual(
      definition,
    );
  });

  it('oci: passes variables into the container', () => {
    const server = {
      name: 'a.b/c',
      packages: [
        {
          registryType: 'oci',
          identifier: 'ada/x:1',
          environmentVariables: [{ name: 'KEY', isRequired: true }],
        },
      ],
    };
    expect(first(server)?.definition).toEqual({
      command: 'docker',
      args: ['run', '-i', '--rm', '-e', 'KEY', 'ada/x:1'],
      env: { KEY: '${env:KEY}' },
    });
  });

  it('remotes: addresses and headers with variables', () => {
    const server = {
      name: 'a.b/c',
      remotes: [
        { type: 'sse', url: 'https://x.example/sse' },
        {
          type: 'streamable-http',
          url: 'https://{tenant}.example/mcp',
          variables: { tenant: { description: 'Your tenant', isRequired: true } },
          headers: [
            {
              name: 'Authorization',
              value: 'Bearer {key}',
              variables: { key: { isRequired: true, isSecret: true } },
            },
            { name: 'X-Opt' },
          ],
        },
      ],
    };
    expect(first(server)).toMatchObject({
      definition: {
        type: 'http',
        url: 'https://${env:C_TENANT}.example/mcp',
        headers: { Authorization: 'Bearer ${env:C_KEY}' },
      },
      needs: [
        { variable: 'C_TENANT', required: true },
        { variable: 'C_KEY', secret: true },
        { variable: 'C_X_OPT', required: false },
      ],
    });
  });

  it('leaves out what is deleted or superseded, and bad entries one by one', () => {
    const { entries, problems, nextCursor } = readRegistry({
      servers: [
        { server: npm('a.b/old'), _meta: { [META]: { status: 'active', isLatest: false } } },
        { server: npm('a.b/gone'), _meta: { [META]: { status: 'deleted', isLatest: true } } },
        { server: npm('a.b/good'), _meta: { [META]: { status: 'active', isLatest: true } } },
        null,
        {},
        { server: { name: 'no-namespace', packages: [] } },
        { server: { name: 'a.b/empty' } },
        { server: { name: 'a.b/bundle', packages: [{ registryType: 'mcpb', identifier: 'https://x' }] } },
        {
          server: {
            name: 'a.b/flag',
            packages: [{ registryType: 'npm', identifier: '--registry=http://evil' }],
          },
        },
      ],
      metadata: { nextCursor: 'a.b/x:1', count: 9 },
    });
    expect(entries.map(({ registryName }) => registryName)).toEqual(['a.b/good']);
    expect(problems).toHaveLength(6);
    expect(nextCursor).toBe('a.b/x:1');
  });

  it('keeps the namespace where the last part alone says not which one', () => {
    const { entries } = readRegistry([npm('a.b/x'), npm('c.d/x'), npm('e.f/y')]);
    expect(entries.map(({ name }) => name)).toEqual(['a.b/x', 'c.d/x', 'y']);
  });

  it('takes a single server.json, and nothing that is something else', () => {
    expect(readRegistry(npm('a.b/x')).entries).toHaveLength(1);
    for (const json of [null, 'x', {}, { servers: {} }])
      expect(() => readRegistry(json)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });
});

describe('fetchRegistry', () => {
  const { signal } = new AbortController();
  function pages(byCursor: Record<string, unknown>) {
    const asked: string[] = [];
    const fetch = (async (url: URL) => {
      asked.push(url.href);
      const page = byCursor[url.searchParams.get('cursor') ?? ''];
      return page instanceof Response ? page : Response.json(page);
    }) as unknown as typeof globalThis.fetch;
    return { asked, fetch };
  }

  it('reads all pages', async () => {
    const { asked, fetch } = pages({
      '': { servers: [{ server: npm('a.b/x') }], metadata: { nextCursor: 'a.b/x:1.0' } },
      'a.b/x:1.0': { servers: [{ server: npm('c.d/x') }, 7], metadata: {} },
    });
    const { entries, problems } = await fetchRegistry({ url: 'https://registry.example', fetch, signal });
    expect(entries.map(({ name }) => name)).toEqual(['a.b/x', 'c.d/x']);
    expect(problems).toHaveLength(1);
    expect(asked).toEqual([
      'https://registry.example/v0.1/servers?limit=100',
      'https://registry.example/v0.1/servers?limit=100&cursor=a.b%2Fx%3A1.0',
    ]);
  });

  it.each([
    [
      {
        '': { servers: [], metadata: { nextCursor: 'a' } },
        a: { servers: [], metadata: { nextCursor: 'a' } },
      },
    ],
    [{ '': new Response('<html>') }],
    [{ '': new Response('no', { status: 500 }) }],
    [{ '': new Response('x'.repeat(2000)) }],
  ])('says which registry it is that fails', async (answers) => {
    const { fetch } = pages(answers);
    await expect(
      fetchRegistry({ url: 'https://registry.example/v0.1/servers', fetch, signal, maxBytes: 1000 }),
    ).rejects.toMatchObject({
      code: 'INDEX_UNAVAILABLE',
      message: expect.stringContaining('https://registry.example'),
    });
  });

  it('ends after so many pages, and says so', async () => {
    let n = 0;
    const fetch = (async () =>
      Response.json({
        servers: [],
        metadata: { nextCursor: String(n++) },
      })) as unknown as typeof globalThis.fetch;
    const { problems } = await fetchRegistry({ url: 'https://registry.example', fetch, signal, maxPages: 3 });
    expect(problems).toEqual([expect.stringContaining('more than 3 pages')]);
    expect(n).toBe(3);
  });
});
