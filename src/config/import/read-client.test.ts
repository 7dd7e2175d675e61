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
