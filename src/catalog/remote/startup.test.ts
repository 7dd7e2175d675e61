import { describe, expect, it } from 'vitest';
import { encryptFernet, generateFernetKey } from '../../lib/fernet.js';
import { readStartup } from './startup.js';

const key = generateFernetKey();
const defaults = { idleTimeoutMs: 1, maxConcurrency: 2, sharing: 'shared', restart: 'never' } as const;
const read = (value: unknown, encryptionKey: string | undefined = key) =>
  readStartup(value, { index: 'http://index', server: 'x', encryptionKey, defaults });
const withoutKey = (value: unknown) =>
  readStartup(value, { index: 'http://index', server: 'x', encryptionKey: undefined, defaults });
const stdio = { server_name: 'x', command: 'npx', args: ['mcp-x'] };

describe('readStartup', () => {
  it('reads both spellings and both transports', () => {
    expect(read({ ...stdio, timeout: 7 })).toMatchObject({
      name: 'x',
      transport: 'stdio',
      startTimeoutMs: 7000,
      source: 'index',
    });
    expect(read({ name: 'x', command: 'npx', args: ['mcp-x'], env: null, timeout: null })).toMatchObject({
      env: {},
      startTimeoutMs: 30_000,
    });
    const remote = { transport: 'http', url: 'https://example.com/mcp', headers: { A: 'b' } };
    expect(read(remote)).toMatchObject({
      transport: 'streamable-http',
      url: remote.url,
      headers: { A: 'b' },
    });
    expect(read({ url: 'https://example.com/mcp' })).toMatchObject({ transport: 'streamable-http' });
    expect(read({ transport: 'sse', url: 'https://example.com/sse' })).toMatchObject({ transport: 'sse' });
  });

  it('leaves placeholders as text: an index does not read the environment of the user', () => {
    const definition = read({ ...stdio, args: ['mcp-x', '${HOME}'], env: { A: '${AWS_SECRET_ACCESS_KEY}' } });
    expect(definition).toMatchObject({ args: ['mcp-x', '${HOME}'], env: { A: '${AWS_SECRET_ACCESS_KEY}' } });
  });

  it('decrypts values of env and headers', () => {
    const token = encryptFernet('s3cret', key);
    expect(read({ ...stdio, env: { A: token, B: 'plain' } })).toMatchObject({
      env: { A: 's3cret', B: 'plain' },
    });
    expect(read({ url: 'https://example.com', headers: { Authorization: token } })).toMatchObject({
      headers: { Authorization: 's3cret' },
    });
  });

  it('refuses the server when a value cannot be decrypted, and shows neither ciphertext nor plaintext', () => {
    const token = encryptFernet('s3cret', key);
    const bytes = Buffer.from(token, 'base64url');
    const changed = Array.from({ length: bytes.length }, (_, i) => {
      const copy = Buffer.from(bytes);
      copy[i] = (copy[i] ?? 0) ^ 0x40;
      return copy.toString('base64').replaceAll('+', '-').replaceAll('/', '_');
    });
    const refused = (run: () => unknown) => {
      let error: unknown;
      try {
        run();
      } catch (caught) {
        error = caught;
      }
      expect(error).toMatchObject({ code: 'CONFIG_INVALID' });
      expect(JSON.stringify(error)).not.toMatch(/s3cret|AAAA/);
    };
    refused(() => withoutKey({ ...stdio, env: { A: token } }));
    refused(() => read({ ...stdio, env: { A: token } }, generateFernetKey()));
    refused(() => read({ ...stdio, env: { A: token } }, 'no key'));
    refused(() => read({ ...stdio, env: { A: ` ${token}` } }));
    refused(() => read({ ...stdio, env: { A: token.slice(0, -1) } }));
    refused(() => read({ ...stdio, env: { A: encryptFernet(token, key) } }));
    refused(() => read({ ...stdio, args: ['mcp-x', token] }));
    for (const value of changed) refused(() => read({ ...stdio, env: { A: 'fine', B: value } }));
  });

  it('judges what was decrypted, too', () => {
    const token = encryptFernet('a\r\nHost: evil', key);
    expect(() => read({ url: 'https://example.com', headers: { A: token } })).toThrow(
      expect.objectContaining({ code: 'FORBIDDEN' }),
    );
  });

  it.each([
    [null],
    ['npx'],
    [{}],
    [{ transport: 'stdio' }],
    [{ transport: 'http', command: 'npx' }],
    [{ transport: 'constructor', command: 'npx' }],
    [{ transport: 7, command: 'npx' }],
    [{ ...stdio, server_name: 'y' }],
    [{ ...stdio, command: 7 }],
    [{ ...stdio, args: 'x' }],
    [{ ...stdio, args: [7] }],
    [{ ...stdio, env: [] }],
    [{ ...stdio, env: { A: 7 } }],
    [{ ...stdio, timeout: -1 }],
    [{ ...stdio, timeout: '50' }],
    [{ url: 7 }],
    [{ url: 'https://example.com', headers: 'x' }],
  ])('refuses %j in words', (value) => {
    expect(() => read(value)).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining('"x"') }),
    );
  });
});
