import { describe, expect, it } from 'vitest';
import { memoryIndex } from '../../../test/support/memory-index.js';
import { createIndexApp, type IndexAppOptions } from './app.js';
import { SECOND_SPELLING } from './routes.js';

function index(options: Partial<IndexAppOptions> = {}) {
  const { store, kept } = memoryIndex();
  const app = createIndexApp({ store, version: '1.2.3', ...options });
  const ask = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
    app.request(`http://localhost/api/mcp${path}`, {
      method,
      headers: {
        host: 'localhost',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
  return { app, ask, kept };
}

const files = { server_name: 'files', command: 'npx', args: ['mcp-files'], env: { A: 'b' } };

describe('answers', () => {
  it('come in the first spelling', async () => {
    const { ask } = index();
    const added = await ask('POST', '/servers', files);
    expect(added.status).toBe(201);
    expect(await added.json()).toEqual({
      server: {
        server_name: 'files',
        title: 'FILES',
        summary: 'Files.',
        capabilities: ['files'],
        limitations: [],
        nb_tools: 2,
      },
      message: "Server 'files' added",
    });
    const tool = {
      tool_name: 'read_file',
      tool_description: 'read_file of files',
      tool_schema: { type: 'object', properties: { tool_name: { type: 'string' } } },
      server_name: 'files',
    };
    expect(await (await ask('GET', '/servers/files/tools?limit=1')).json()).toEqual({
      tools: [tool],
      server_name: 'files',
      limit: 1,
      offset: 0,
    });
    expect(await (await ask('GET', '/servers/files/tools/read_file')).json()).toEqual(tool);
    expect(await (await ask('POST', '/tools/search', { query: 'read' })).json()).toEqual({
      tools: [{ ...tool, tool_id: expect.any(String), score: 0.75 }],
      total_results: 1,
      query: 'read',
      message: 'Found 1 tool',
      processing_time_ms: expect.any(Number),
    });
    expect(await (await ask('GET', '/servers?offset=1')).json()).toEqual({
      servers: [],
      limit: 50,
      offset: 1,
    });
    expect(await (await ask('GET', '/statistics')).json()).toEqual({ total_servers: 1, total_tools: 2 });
    expect(await (await ask('GET', '/servers/files/command')).json()).toEqual({
      server_name: 'files',
      transport: 'stdio',
      command: 'npx',
      args: ['mcp-files'],
      env: { A: 'b' },
      url: null,
      headers: {},
      timeout: 50,
    });
    expect(await (await ask('DELETE', '/servers/files')).json()).toEqual({
      message: "Server 'files' deleted",
    });
  });

  it('come in the second spelling when it is asked for', async () => {
    const { ask } = index();
    const v2 = { accept: `text/html, ${SECOND_SPELLING};q=0.9` };
    const added = await ask('POST', '/servers', { name: 'files', command: 'npx' }, v2);
    expect(added.headers.get('content-type')).toBe(SECOND_SPELLING);
    expect(await added.json()).toMatchObject({ server: { name: 'files', nbTools: 2 } });
    const { tools } = (await (
      await ask('POST', '/tools/search', { query: 'read', serverNames: ['files'], minScore: 0 }, v2)
    ).json()) as { tools: object[] };
    expect(tools).toEqual([
      {
        id: expect.any(String),
        name: 'read_file',
        description: 'read_file of files',
        inputSchema: { type: 'object', properties: { tool_name: { type: 'string' } } },
        serverName: 'files',
        score: 0.75,
      },
    ]);
    expect(await (await ask('GET', '/servers/files/command', undefined, v2)).json()).toMatchObject({
      name: 'files',
      transport: 'stdio',
    });
    expect(await (await ask('GET', '/servers', undefined, v2)).json()).toMatchObject({
      servers: [{ name: 'files' }],
    });
  });
});

describe('requests that do not fit', () => {
  it.each([
    ['POST', '/tools/search', {}, ['body', 'query'], 'missing'],
    ['POST', '/tools/search', { query: '' }, ['body', 'query'], 'string_too_short'],
    ['POST', '/tools/search', { query: 'x'.repeat(1001) }, ['body', 'query'], 'string_too_long'],
    ['POST', '/tools/search', { query: 7 }, ['body', 'query'], 'string_type'],
    ['POST', '/tools/search', { query: 'x', limit: 0 }, ['body', 'limit'], 'greater_than_equal'],
    ['POST', '/tools/search', { query: 'x', limit: 101 }, ['body', 'limit'], 'less_than_equal'],
    ['POST', '/tools/search', { query: 'x', limit: 1.5 }, ['body', 'limit'], 'int_from_float'],
    ['POST', '/tools/search', { query: 'x', min_score: 2 }, ['body', 'min_score'], 'less_than_equal'],
    ['POST', '/tools/search', { query: 'x', type: 'y' }, ['body', 'type'], 'literal_error'],
    ['POST', '/tools/search', { query: 'x', server_names: 'y' }, ['body', 'server_names'], 'list_type'],
    ['POST', '/tools/search', { query: 'x', server_names: [7] }, ['body', 'server_names', 0], 'string_type'],
    ['POST', '/tools/search', [], ['body'], 'model_attributes_type'],
    ['POST', '/tools/search', '{', ['body', 1], 'json_invalid'],
    ['POST', '/tools/search', '', ['body'], 'missing'],
    ['GET', '/servers?limit=x', undefined, ['query', 'limit'], 'int_parsing'],
    ['GET', '/servers?limit=0', undefined, ['query', 'limit'], 'greater_than_equal'],
    ['GET', '/servers?offset=-1', undefined, ['query', 'offset'], 'greater_than_equal'],
    ['POST', '/servers', { command: 'npx' }, ['body', 'server_name'], 'missing'],
    ['POST', '/servers', { server_name: 'x' }, ['body'], 'value_error'],
    ['POST', '/servers', { server_name: 'x', command: 'a', url: 'http://b' }, ['body'], 'value_error'],
    ['POST', '/servers', { server_name: 'x', url: 'file:///etc/passwd' }, ['body', 'url'], 'value_error'],
    ['POST', '/servers', { server_name: 'a\u001bb', command: 'a' }, ['body', 'server_name'], 'value_error'],
    [
      'POST',
      '/servers',
      { server_name: 'x', command: 'a', env: { A: 7 } },
      ['body', 'env', 'A'],
      'string_type',
    ],
    ['POST', '/servers', { server_name: 'x', command: 'a', timeout: 0 }, ['body', 'timeout'], 'greater_than'],
    ['POST', '/servers/bulk', {}, ['body', 'file'], 'missing'],
  ])('%s %s %j', async (method, path, body, loc, type) => {
    const answer = await index().ask(method, path, body);
    expect(answer.status).toBe(422);
    expect(await answer.json()).toEqual({ detail: [{ loc, msg: expect.any(String), type }] });
  });

  it.each([
    ['GET', '/servers/none', 404],
    ['GET', '/servers/none/tools', 404],
    ['GET', '/servers/none/tools/x', 404],
    ['GET', '/servers/none/command', 404],
    ['DELETE', '/servers/none', 404],
    ['GET', '/nowhere', 404],
    ['PATCH', '/servers', 405],
    ['DELETE', '/tools/search', 405],
  ])('%s %s -> %i with a detail', async (method, path, status) => {
    const answer = await index().ask(method, path);
    expect(answer.status).toBe(status);
    expect(await answer.json()).toEqual({ detail: expect.any(String) });
  });

  it('are not read to the end when they are too large', async () => {
    const { ask } = index({ maxBodyBytes: 1000 });
    expect((await ask('POST', '/tools/search', { query: 'x'.repeat(2000) })).status).toBe(413);
  });

  it.each([
    ['{', 400],
    ['[]', 400],
    ['{"mcpServers":[]}', 400],
    ['{"mcpServers":{}}', 200],
  ])('an uploaded file %j -> %i', async (text, status) => {
    const form = new FormData();
    form.set('file', new File([text], 'servers.json'));
    const answer = await index().app.request('http://localhost/api/mcp/servers/bulk', {
      method: 'POST',
      body: form,
      headers: { host: 'localhost' },
    });
    expect(answer.status).toBe(status);
  });
});

describe('who may ask', () => {
  it('only this machine and its pages, by default', async () => {
    const { ask } = index();
    expect((await ask('GET', '/servers', undefined, { host: 'evil.example' })).status).toBe(403);
    expect((await ask('POST', '/servers', files, { origin: 'https://evil.example' })).status).toBe(403);
    expect((await ask('GET', '/servers', undefined, { origin: 'http://localhost:5173' })).status).toBe(200);
  });

  it('only who has the key, when there is one; what the API looks like is no secret', async () => {
    const { ask, app } = index({ apiKey: 'key' });
    const refused = await ask('GET', '/servers');
    expect(refused.status).toBe(401);
    expect(await refused.json()).toEqual({ detail: expect.any(String) });
    expect((await ask('GET', '/nowhere')).status).toBe(401);
    expect((await ask('GET', '/servers', undefined, { authorization: 'Bearer key' })).status).toBe(200);
    expect(
      (await app.request('http://localhost/openapi.json', { headers: { host: 'localhost' } })).status,
    ).toBe(200);
  });

  it('does not start with a key that is none', () => {
    expect(() => index({ encryptionKey: 'nonsense' })).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID' }),
    );
  });
});

describe('an error of the store', () => {
  it('is told when it is about the request, and hidden when it is ours', async () => {
    const heard: unknown[] = [];
    const { store } = memoryIndex();
    const broken = { ...store, list: () => Promise.reject(new Error('path /secret/x')) };
    const { ask } = index({ store: broken, onError: (error) => heard.push(error) });
    const failed = await ask('POST', '/servers', { server_name: 'x', command: 'fails' });
    expect(failed.status).toBe(502);
    expect(await failed.json()).toEqual({ detail: 'Server "x" ended at once. Look at its stderr.' });
    const internal = await ask('GET', '/servers');
    expect(internal.status).toBe(500);
    expect(await internal.json()).toEqual({ detail: 'Internal Server Error' });
    expect(heard).toHaveLength(1);
  });
});

describe('/openapi.json', () => {
  it('describes every route, and every reference leads somewhere', async () => {
    const { app } = index({ apiKey: 'key' });
    const document = (await (
      await app.request('http://localhost/openapi.json', { headers: { host: 'localhost' } })
    ).json()) as {
      openapi: string;
      info: { version: string };
      paths: Record<string, Record<string, { operationId: string }>>;
      components: { schemas: Record<string, { properties?: Record<string, unknown> }> };
    };
    expect(document.openapi).toBe('3.1.0');
    expect(document.info.version).toBe('1.2.3');
    const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path}`),
    );
    expect(operations.sort()).toEqual(
      [
        'post /api/mcp/tools/search',
        'post /api/mcp/servers/search',
        'get /api/mcp/servers',
        'get /api/mcp/servers/{server}',
        'get /api/mcp/servers/{server}/tools',
        'get /api/mcp/servers/{server}/tools/{tool}',
        'get /api/mcp/servers/{server}/command',
        'get /api/mcp/statistics',
        'post /api/mcp/servers',
        'post /api/mcp/servers/bulk',
        'put /api/mcp/servers/{server}',
        'delete /api/mcp/servers/{server}',
      ].sort(),
    );
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(([, to]) => to ?? '');
    expect(references.length).toBeGreaterThan(20);
    for (const to of references)
      expect(document.components.schemas[to.replace('#/components/schemas/', '')], to).toBeDefined();
    expect(document.components.schemas['ToolSearch']?.properties?.['limit']).toEqual({
      type: 'integer',
      minimum: 1,
      maximum: 100,
      default: 10,
    });
  });
});
