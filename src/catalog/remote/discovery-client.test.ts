import { describe, expect, it } from 'vitest';
import { generateFernetKey } from '../../lib/fernet.js';
import { DiscoveryClient } from './discovery-client.js';

const encryptionKey = generateFernetKey();

function recording(url: string, answer: unknown = { command: 'npx', args: ['mcp-x'] }) {
  const sent: { url: string; headers: Record<string, string> }[] = [];
  const fetch = async (to: unknown, init?: RequestInit) => {
    sent.push({ url: String(to), headers: init?.headers as Record<string, string> });
    return Response.json(answer);
  };
  return {
    sent,
    client: new DiscoveryClient({
      url,
      encryptionKey,
      apiKey: 'key',
      fetch: fetch as typeof globalThis.fetch,
    }),
  };
}

describe('where keys go', () => {
  it.each([
    'http://index.example',
    'http://127.evil.example',
    'http://10.0.0.1:8000',
    'http://localhost.evil.example',
    'http://[::2]',
  ])('sends nothing at all to %s when that would show the encryption key', async (url) => {
    const { sent, client } = recording(url);
    await expect(client.getCommand('x')).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    await expect(client.getCommand('x')).rejects.not.toThrow(encryptionKey);
    expect(sent).toEqual([]);
  });

  it.each([
    'https://index.example',
    'http://localhost:8000',
    'http://127.0.0.1:8000',
    'http://127.1.2.3',
    'http://[::1]:8000',
  ])('sends the encryption key to %s, for startup configurations alone', async (url) => {
    const { sent, client } = recording(url);
    await client.getCommand('x');
    expect(sent[0]?.headers).toMatchObject({
      'x-encryption-key': encryptionKey,
      authorization: 'Bearer key',
    });
    const { sent: others, client: other } = recording(url, {
      servers: [],
      tools: [],
      total_servers: 0,
      total_tools: 0,
    });
    await Promise.all([
      other.listServers(),
      other.statistics(),
      other.searchTools({ query: 'x' }),
      other.listTools('x'),
    ]);
    expect(others.every((one) => !('x-encryption-key' in one.headers))).toBe(true);
  });
});

describe('addresses', () => {
  it.each([
    ['http://localhost:8000', 'http://localhost:8000/api/mcp/servers/a%2Fb%20c/command'],
    ['http://localhost:8000/', 'http://localhost:8000/api/mcp/servers/a%2Fb%20c/command'],
    ['http://localhost:8000/api/mcp/', 'http://localhost:8000/api/mcp/servers/a%2Fb%20c/command'],
    ['https://x.example/base?a=1#b', 'https://x.example/base/api/mcp/servers/a%2Fb%20c/command'],
  ])('%s', async (url, expected) => {
    const { sent, client } = recording(url);
    await client.getCommand('a/b c');
    expect(sent[0]?.url).toBe(expected);
  });

  it.each(['', 'localhost:8000', 'ftp://x', 'http://user:secret@x'])(
    'refuses %j without repeating it',
    (url) => {
      expect(() => new DiscoveryClient({ url })).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
      expect(() => new DiscoveryClient({ url })).not.toThrow(/secret/);
    },
  );

  it('refuses a key that would break the header', () => {
    expect(() => new DiscoveryClient({ url: 'http://x', apiKey: 'a\nb' })).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID' }),
    );
  });
});

describe('questions that make no sense are not sent', () => {
  it.each([
    { query: '' },
    { query: 'x'.repeat(1001) },
    { query: 'x', limit: 0 },
    { query: 'x', limit: 1.5 },
    { query: 'x', minScore: 2 },
  ])('%j', async (query) => {
    const { sent, client } = recording('http://localhost');
    await expect(client.searchTools(query)).rejects.toMatchObject({ code: 'INVALID_ARGUMENTS' });
    await expect(client.searchServers(query)).rejects.toMatchObject({ code: 'INVALID_ARGUMENTS' });
    expect(sent).toEqual([]);
  });
});
