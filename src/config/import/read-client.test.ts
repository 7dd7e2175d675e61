import { describe, expect, it } from 'vitest';
import type { ClientId } from './clients.js';
import { readClientConfig } from './read-client.js';

const read = (client: ClientId, file: unknown) =>
  readClientConfig(client, typeof file === 'string' ? file : JSON.stringify(file), {
    home: '/home/ada',
    workspace: '/srv/x',
  });
const only = (client: ClientId, file: unknown) => read(client, file).servers[0]?.definition;

describe('what each client writes', () => {
  it('Claude Desktop', () => {
    const { servers, problems, secretsFound } = read('claude-desktop', {
      mcpServers: {
        files: { command: 'npx', args: ['-y', 'mcp-files', '/home/ada'] },
        memory: { command: 'uvx', args: ['mcp-memory'], env: { LEVEL: 'info' } },
      },
      globalShortcut: 'x',
    });
    expect(servers).toEqual([
      { name: 'files', definition: { command: 'npx', args: ['-y', 'mcp-files', '/home/ada'] } },
      { name: 'memory', definition: { command: 'uvx', args: ['mcp-memory'], env: { LEVEL: 'info' } } },
    ]);
    expect(problems).toEqual([]);
    expect(secretsFound).toEqual([]);
  });

  it('Claude Code, with the servers of projects', () => {
    const { servers, problems } = read('claude-code', {
      mcpServers: {
        a: { type: 'http', url: 'https://a.example/mcp', headers: { Authorization: 'Bearer ${TOKEN}' } },
      },
      projects: {
        '/p': { mcpServers: { b: { type: 'sse', url: 'https://b.example/sse' }, a: { command: 'x' } } },
        '/q': {},
      },
    });
    expect(servers).toEqual([
      {
        name: 'a',
        definition: {
          type: 'http',
          url: 'https://a.example/mcp',
          headers: { Authorization: 'Bearer ${TOKEN}' },
        },
      },
      { name: 'b', definition: { type: 'sse', url: 'https://b.example/sse' } },
    ]);
    expect(problems).toEqual(['"a" is there more than once; the first one counts.']);
  });

  it('Cursor', () => {
    const file = {
      mcpServers: {
        a: { url: 'https://a.example', headers: { 'X-Key': '${env:A_KEY}' } },
        b: { command: '${userHome}/bin/mcp', args: ['${workspaceFolder}/x'] },
      },
    };
    expect(read('cursor', file).servers.map(({ definition }) => definition)).toEqual([
      { type: 'http', url: 'https://a.example', headers: { 'X-Key': '${env:A_KEY}' } },
      { command: '/home/ada/bin/mcp', args: ['/srv/x/x'] },
    ]);
    expect(readClientConfig('cursor', JSON.stringify(file)).problems).toHaveLength(2);
  });

  it('VS Code: comments, inputs, settings.json', () => {
    const text = `{
      // servers of the user
      "inputs": [{ "id": "api-key", "type": "promptString", "password": true }],
      "servers": {
        "a": { "type": "stdio", "command": "npx", "args": ["mcp-a"], "env": { "KEY": "\${input:api-key}" }, "envFile": "x" },
        "b": { "type": "http", "url": "https://b.example", /* more */ },
      },
    }`;
    const { servers, problems } = read('vscode', text);
    expect(servers).toEqual([
      { name: 'a', definition: { command: 'npx', args: ['mcp-a'], env: { KEY: '${env:API_KEY}' } } },
      { name: 'b', definition: { type: 'http', url: 'https://b.example' } },
    ]);
    expect(problems).toEqual([expect.stringContaining('envFile')]);
    expect(only('vscode', { mcp: { servers: { c: { command: 'x' } } }, 'editor.fontSize': 12 })).toEqual({
      command: 'x',
      args: [],
    });
  });

  it('Cline', () => {
    const file = {
      mcpServers: {
        a: { type: 'streamableHttp', url: 'https://a.example', disabled: true, autoApprove: [] },
        b: { url: 'https://b.example', transportType: 'sse', timeout: 60 },
      },
    };
    expect(read('cline', file).servers.map(({ definition }) => definition)).toEqual([
      { type: 'http', url: 'https://a.example', disabled: true },
      { type: 'sse', url: 'https://b.example', timeout: 60 },
    ]);
  });

  it('Windsurf', () => {
    expect(
      only('windsurf', { mcpServers: { a: { serverUrl: 'https://a.example/mcp', headers: {} } } }),
    ).toEqual({ type: 'http', url: 'https://a.example/mcp' });
  });

  it('Zed, old and new, and the servers of its extensions', () => {
    const { servers, problems } = read('zed', {
      theme: 'x',
      context_servers: {
        old: { command: { path: 'node', args: ['/x.js'], env: { A: 'b' } }, settings: {} },
        new: { source: 'custom', enabled: false, command: 'node', args: ['/y.js'] },
        remote: { url: 'https://a.example' },
        extension: { settings: { x: 1 } },
      },
    });
    expect(servers.map(({ definition }) => definition)).toEqual([
      { command: 'node', args: ['/x.js'], env: { A: 'b' } },
      { command: 'node', args: ['/y.js'], disabled: true },
      { type: 'http', url: 'https://a.example' },
    ]);
    expect(problems).toEqual(['"extension" is left out: it is started by an extension of Zed.']);
  });

  it('Codex', () => {
    const text = `
model = "x"
[mcp_servers.a]
command = "npx"
args = ["-y", "mcp-a"]
env = { LEVEL = "1" }
env_vars = ["HOME_TOKEN"]
cwd = "/srv"
startup_timeout_sec = 20
disabled_tools = ["rm"]
[mcp_servers.b]
url = "https://b.example/mcp"
bearer_token_env_var = "B_TOKEN"
http_headers = { "X-Region" = "eu" }
env_http_headers = { "X-Key" = "B_KEY" }
enabled = false
`;
    const { servers, secretsFound } = read('codex', text);
    expect(servers).toEqual([
      {
        name: 'a',
        definition: {
          command: 'npx',
          args: ['-y', 'mcp-a'],
          env: { LEVEL: '1', HOME_TOKEN: '${env:HOME_TOKEN}' },
          cwd: '/srv',
          timeout: 20,
          blocked_tools: ['rm'],
        },
      },
      {
        name: 'b',
        definition: {
          type: 'http',
          url: 'https://b.example/mcp',
          headers: { 'X-Region': 'eu', 'X-Key': '${env:B_KEY}', Authorization: 'Bearer ${env:B_TOKEN}' },
          disabled: true,
        },
      },
    ]);
    expect(secretsFound).toEqual([]);
  });

  it('Gemini CLI', () => {
    const file = {
      mcpServers: {
        a: {
          httpUrl: 'https://a.example',
          headers: { Authorization: 'Bearer $A_TOKEN' },
          timeout: 600000,
          trust: true,
        },
        b: { url: 'https://b.example/sse' },
        c: { url: 'https://c.example', type: 'http' },
        d: { command: 'npx', args: ['mcp-d'], excludeTools: ['x'], env: { A: '${B}' } },
      },
    };
    expect(read('gemini', file).servers.map(({ definition }) => definition)).toEqual([
      { type: 'http', url: 'https://a.example', headers: { Authorization: 'Bearer ${A_TOKEN}' } },
      { type: 'sse', url: 'https://b.example/sse' },
      { type: 'http', url: 'https://c.example' },
      { command: 'npx', args: ['mcp-d'], env: { A: '${B}' }, blocked_tools: ['x'] },
    ]);
  });
});

describe('files that are not what they should be', () => {
  it.each([
    ['{', 'not JSON'],
    ['{"mcpServers": {"a": {"command": "x"', 'not JSON'],
    ['[]', 'no object'],
    ['{"mcpServers": []}', 'no object'],
    ['{"mcpServers": {"a": 7}}', 'no object'],
    ['{"mcpServers": {"a": {}}}', 'neither a command nor a url'],
    ['{"mcpServers": {"a": {"command": "npx", "args": ["-y", "mcp-runtime@1.2.3", "serve"]}}}', 'itself'],
  ])('%s', (text, problem) => {
    const { servers, problems } = read('cursor', text);
    expect(servers).toEqual([]);
    expect(problems).toEqual([expect.stringContaining(problem)]);
  });

  it('nothing in it is no problem', () => {
    for (const text of ['', '\uFEFF{}', '{"mcpServers": {}}'])
      expect(read('cursor', text)).toEqual({ servers: [], problems: [], secretsFound: [] });
    expect(read('codex', '= x').problems).toEqual([expect.stringContaining('not TOML')]);
  });
});

describe('secrets', () => {
  const canary = 'c4n4ry-Zx81kQpW77mNb02LtY';

  it('are replaced wherever they stand, and named', () => {
    const file = {
      mcpServers: {
        git: {
          command: 'npx',
          args: [
            'mcp-git',
            '--api-key',
            canary,
            `--token=${canary}`,
            '--header',
            `Authorization: Bearer ${canary}`,
            `https://h.example/?api_key=${canary}&x=1`,
            '-e',
            `PASSWORD=${canary}`,
          ],
          env: {
            GITHUB_TOKEN: canary,
            apiKey: canary,
            DATABASE_URL: `postgres://ada:${canary}@db.example/x`,
            PLAIN: 'yes',
            ODD: `sk-${canary}`,
          },
        },
        web: {
          url: `https://web.example/s/${canary}/mcp?token=${canary}`,
          headers: {
            Authorization: `Bearer ${canary}`,
            'X-Api-Key': canary,
            Cookie: `a=${canary}`,
            Accept: 'text/plain',
          },
        },
      },
    };
    const result = read('cursor', file);
    expect(JSON.stringify(result)).not.toContain(canary);
    expect(result.servers[0]?.definition).toEqual({
      command: 'npx',
      args: [
        'mcp-git',
        '--api-key',
        '${env:GIT_API_KEY}',
        '--token=${env:GIT_TOKEN}',
        '--header',
        'Authorization: Bearer ${env:GIT_AUTHORIZATION}',
        'https://h.example/?api_key=${env:GIT_API_KEY}&x=1',
        '-e',
        'PASSWORD=${env:PASSWORD}',
      ],
      env: {
        GITHUB_TOKEN: '${env:GITHUB_TOKEN}',
        apiKey: '${env:apiKey}',
        DATABASE_URL: 'postgres://ada:${env:GIT_DATABASE_URL_PASSWORD}@db.example/x',
        PLAIN: 'yes',
        ODD: '${env:ODD}',
      },
    });
    expect(result.servers[1]?.definition).toEqual({
      type: 'http',
      url: 'https://web.example/s/${env:WEB_URL_SECRET}/mcp?token=${env:WEB_TOKEN}',
      headers: {
        Authorization: 'Bearer ${env:WEB_AUTHORIZATION}',
        'X-Api-Key': '${env:WEB_X_API_KEY}',
        Cookie: '${env:WEB_COOKIE}',
        Accept: 'text/plain',
      },
    });
    expect(result.secretsFound).toContainEqual({ server: 'git', place: 'env', variable: 'GITHUB_TOKEN' });
    expect(result.secretsFound).toContainEqual({ server: 'web', place: 'url', variable: 'WEB_TOKEN' });
  });

  it.each([
    ['postgres://ada:p@ss:x@db.example/x', 'postgres://ada:${env:A_URL_PASSWORD}@db.example/x'],
    ['https://ghp_0123456789abcdef@h.example/', 'https://${env:A_URL_USER}@h.example/'],
    ['https://e:e@e.example/e', 'https://e:${env:A_URL_PASSWORD}@e.example/e'],
    [
      'https://p7f3k2q9x1.eu-west-12345.host.example/mcp',
      'https://p7f3k2q9x1.eu-west-12345.host.example/mcp',
    ],
    ['https://h.example/#access_token=abc1', 'https://h.example/#access_token=${env:A_URL_ACCESS_TOKEN}'],
  ])('in addresses: %s', (value, expected) => {
    expect(only('cursor', { mcpServers: { a: { command: 'x', env: { URL: value } } } })?.env).toEqual({
      URL: expected,
    });
  });

  it('of the same name and another value get a variable of their own', () => {
    const file = {
      mcpServers: {
        a: { command: 'x', env: { TOKEN: 'one-1-secret' } },
        b: { command: 'x', env: { TOKEN: 'two-2-secret' } },
        c: { command: 'x', env: { TOKEN: 'one-1-secret' } },
      },
    };
    expect(read('cursor', file).servers.map(({ definition }) => definition.env)).toEqual([
      { TOKEN: '${env:TOKEN}' },
      { TOKEN: '${env:B_TOKEN}' },
      { TOKEN: '${env:TOKEN}' },
    ]);
  });

  it.each([
    ['MAX_TOKENS', '4096'],
    ['AUTH_TYPE', 'oauth'],
    ['PRIMARY_KEY', 'id'],
    ['GOOGLE_APPLICATION_CREDENTIALS', '/home/ada/key.json'],
    ['TOKENIZERS_PARALLELISM', 'false'],
    ['KEYBOARD', 'de-latin1'],
    ['URL', 'https://example.com/a/b?page=2'],
    ['PACKAGE', '@modelcontextprotocol/server-filesystem2'],
    ['DIR', '/home/ada/projects/some-long-name-2024/src'],
    ['MODEL', 'claude-3-5-sonnet'],
    ['TOKEN', ''],
  ])('%s=%s is none', (name, value) => {
    expect(
      only('cursor', { mcpServers: { a: { command: 'x', args: [value], env: { [name]: value } } } }),
    ).toEqual({ command: 'x', args: [value], env: { [name]: value } });
  });

  it.each([
    'ghp_0123456789abcdef0123456789abcdef0123',
    'AKIAIOSFODNN7EXAMPLE',
    'xoxb-123456789012-abcdef',
    '-----BEGIN PRIVATE KEY-----\nx',
    '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b',
    'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.x',
  ])('is one whatever it is called: %s', (value) => {
    const definition = only('cursor', {
      mcpServers: { a: { command: 'x', args: [value], env: { X: value } } },
    });
    expect(JSON.stringify(definition)).not.toContain(JSON.stringify(value).slice(1, -1));
    expect(definition?.env).toEqual({ X: '${env:X}' });
  });
});
