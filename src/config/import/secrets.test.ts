import { describe, expect, it } from 'vitest';
import type { ClientId } from './clients.js';
import { readClientConfig } from './read-client.js';

const read = (client: ClientId, file: unknown) =>
  readClientConfig(client, typeof file === 'string' ? file : JSON.stringify(file), {
    home: '/home/ada',
    workspace: '/srv/x',
  });
const only = (client: ClientId, file: unknown) => read(client, file).servers[0]?.definition;

describe('secrets in the files of clients', () => {
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
