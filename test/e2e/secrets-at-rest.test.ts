import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemKeychain } from '../../src/config/secrets/keychain.js';
import { SecretStore } from '../../src/config/secrets/secret-store.js';
import { seal, unseal } from '../../src/lib/sealed-box.js';
import { fixture, hostile } from '../support/processes.js';
import { node, textOf, workplace } from '../support/runtime.js';
import { canary, leaksUnder, runWith } from '../support/secrets.js';

const errorOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: { code?: string; message: string; data?: Record<string, unknown> }) => error,
  );

describe('a store of secrets', () => {
  let directory: string;
  let store: SecretStore;
  const value = canary('one');
  const keyFile = () => join(directory, readdirSync(directory).find((name) => name.endsWith('.key')) ?? '');
  const read = () => JSON.parse(readFileSync(store.path, 'utf8')) as Vault;
  const write = (vault: object) => writeFileSync(store.path, JSON.stringify(vault));
  interface Vault {
    key: string;
    manifest: string;
    secrets: Record<string, string>;
  }

  beforeEach(async () => {
    directory = join(mkdtempSync(join(tmpdir(), 'mcprt-secrets-')), 'secrets');
    store = new SecretStore(directory);
    await store.set('ONE', value);
    await store.set('TWO', canary('two'));
  });
  afterEach(() => rmSync(join(directory, '..'), { recursive: true, force: true }));

  it('keeps what it was given, names alone readable, for this user alone', async () => {
    expect(await store.get('ONE')).toBe(value);
    expect((await store.list()).secrets.map(({ name }) => name)).toEqual(['ONE', 'TWO']);
    expect(leaksUnder(directory, [value])).toEqual([]);
    for (const name of readdirSync(directory))
      expect(statSync(join(directory, name)).mode & 0o777, name).toBe(0o600);
    expect(statSync(directory).mode & 0o777).toBe(0o700);
  });

  it.each<[string, string, () => void]>([
    ['missing', 'key-missing', () => unlinkSync(keyFile())],
    ['empty', 'key-damaged', () => writeFileSync(keyFile(), '')],
    ['short', 'key-damaged', () => writeFileSync(keyFile(), readFileSync(keyFile()).subarray(0, 31))],
    [
      'long',
      'key-damaged',
      () => writeFileSync(keyFile(), Buffer.concat([readFileSync(keyFile()), Buffer.of(0)])),
    ],
    ['in hex', 'key-damaged', () => writeFileSync(keyFile(), readFileSync(keyFile()).toString('hex'))],
    ['in base64', 'key-damaged', () => writeFileSync(keyFile(), readFileSync(keyFile()).toString('base64'))],
    ['another one', 'key-wrong', () => writeFileSync(keyFile(), Buffer.alloc(32, 7))],
    ['readable by the group', 'key-exposed', () => chmodSync(keyFile(), 0o640)],
    ['readable by all', 'key-exposed', () => chmodSync(keyFile(), 0o604)],
  ])('SEC-01: with a key that is %s nothing is read, made or replaced', async (_what, reason, harm) => {
    const { key } = read();
    harm();
    const before = readFileSync(store.path);
    const keysBefore = readdirSync(directory).sort();
    const attempts = [
      () => store.get('ONE'),
      () => store.set('NEW', 'value'),
      () => store.remove('ONE'),
      () => store.rotate({}),
    ];
    for (const attempt of attempts) {
      const error = await errorOf(attempt());
      expect(error).toMatchObject({ code: 'SECRET_UNAVAILABLE', data: { reason, key } });
      expect(error?.message).toContain(key);
    }
    expect(readFileSync(store.path)).toEqual(before);
    expect(readdirSync(directory).sort()).toEqual(keysBefore);
    // Names can still be told, so that a person knows what is to be set again.
    const { secrets, problem } = await store.list();
    expect(secrets.map(({ name }) => name)).toEqual(['ONE', 'TWO']);
    expect(problem).toContain(key);
  });

  it('SEC-02: a box opens with its key, its purpose and every bit as it was, and in no other case', () => {
    const key = Buffer.alloc(32, 1);
    const sealed = seal(key, value, 'purpose');
    expect(unseal(key, sealed, 'purpose')?.toString('utf8')).toBe(value);
    for (let at = 0; at < sealed.length; at += 1) {
      for (let bit = 0; bit < 8; bit += 1) {
        const changed = Buffer.from(sealed);
        changed.writeUInt8(changed.readUInt8(at) ^ (1 << bit), at);
        expect(unseal(key, changed, 'purpose'), `bit ${bit} of byte ${at}`).toBeUndefined();
      }
      expect(unseal(key, sealed.subarray(0, at), 'purpose'), `cut to ${at}`).toBeUndefined();
    }
    expect(unseal(key, Buffer.concat([sealed, Buffer.of(0)]), 'purpose')).toBeUndefined();
    expect(unseal(key, sealed, 'another purpose')).toBeUndefined();
    expect(unseal(Buffer.alloc(32, 2), sealed, 'purpose')).toBeUndefined();
  });

  it('SEC-02: what was swapped, cut, replayed or removed in the file is refused, the others stay usable', async () => {
    const good = read();
    const refused = async (vault: Vault) => {
      write(vault);
      expect(await errorOf(store.get('ONE'))).toMatchObject({ code: 'SECRET_UNAVAILABLE' });
    };
    const { ONE = '', TWO = '' } = good.secrets;
    await refused({ ...good, secrets: { ONE: TWO, TWO: ONE } });
    await refused({ ...good, secrets: { ...good.secrets, ONE: ONE.slice(0, -8) } });
    await refused({ ...good, secrets: { ...good.secrets, ONE: '' } });
    await refused({ ...good, secrets: { TWO } });
    await refused({ ...good, secrets: { ...good.secrets, ONE: good.manifest } });
    expect(await store.get('TWO')).toMatch(/^cnry-two/);
    await refused({ ...good, manifest: ONE });
    await refused({ ...good, key: '0123456789abcdef' });

    // An old value in the place of the new one; also after it was removed and set anew.
    write(good);
    await store.set('ONE', 'second value');
    await refused({ ...read(), secrets: { ...read().secrets, ONE } });
    write({ ...read(), secrets: { ...read().secrets, ONE } });
    await store.remove('ONE');
    await store.set('ONE', 'third value');
    const newest = read();
    await refused({ ...newest, secrets: { ...newest.secrets, ONE } });
    // The list of what counts is of one file: with that of an older one the new value is none.
    await refused({ ...newest, manifest: good.manifest });
    write(newest);
    expect(await store.get('ONE')).toBe('third value');
    await expect(store.set('ONE', 'y'.repeat(100))).resolves.toBeUndefined();
  });

  it.each(['begun', 'key-written', 'vault-written', 'old-key-removed'])(
    'SEC-05: a change of the key that is killed after the step %s leaves all of it readable',
    async (step) => {
      const before = read().key;
      const dead = await runWith(
        '',
        [directory, step],
        { PATH: process.env['PATH'] ?? '' },
        fixture('rotate-and-die.mjs'),
      );
      expect(dead.signal).toBe('SIGKILL');
      expect(await store.get('ONE')).toBe(value);
      expect(read().key === before).toBe(['begun', 'key-written'].includes(step));
      // The next change goes on as if nothing had been, and clears away what was left.
      await store.rotate({});
      expect(await store.get('ONE')).toBe(value);
      expect(readdirSync(directory).filter((name) => !/^secrets\.(json|lock)/.test(name))).toEqual([
        `${read().key}.key`,
      ]);
    },
  );

  it('SEC-05: several processes change keys and values at once; nothing is lost, one key is left', async () => {
    const env = { PATH: process.env['PATH'] ?? '', MCP_RUNTIME_HOME: join(directory, '..') };
    const reading = (async () => {
      for (let i = 0; i < 100; i += 1) expect(await store.get('ONE')).toBe(value);
    })();
    const ended = await Promise.all([
      ...[1, 2, 3].map(() => runWith('', ['secret', 'rotate'], env)),
      ...[1, 2, 3].map((n) => runWith(`value ${n}\n`, ['secret', 'set', `P${n}`], env)),
    ]);
    await reading;
    expect(ended.map(({ exitCode, stderr }) => [exitCode, stderr])).toEqual(ended.map(() => [0, '']));
    for (const n of [1, 2, 3]) expect(await store.get(`P${n}`)).toBe(`value ${n}`);
    expect(await store.get('ONE')).toBe(value);
    expect(readdirSync(directory).filter((name) => name.endsWith('.key'))).toEqual([`${read().key}.key`]);
  });

  it('SEC-05: no nonce comes twice', () => {
    const key = Buffer.alloc(32, 3);
    const nonces = new Set<string>();
    const count = 100_000;
    for (let i = 0; i < count; i += 1) nonces.add(seal(key, 'v', 'p').toString('latin1', 1, 13));
    expect(nonces.size).toBe(count);
  });

  it.each(['[secret ONE]', '[ONE]', '[removed]', '********', '••••••', '${secret:ONE}', '<redacted>'])(
    'SEC-04: %s, which is shown in place of a secret, does not take its place',
    async (mask) => {
      expect(await errorOf(store.set('ONE', mask))).toMatchObject({ code: 'INVALID_ARGUMENTS' });
      expect(await store.get('ONE')).toBe(value);
    },
  );
});

describe('servers and their secrets', () => {
  const place = workplace();

  it('SEC-01: only the servers that need them stop, and the message says which secret and what to do', async () => {
    const { env, home, servers, client } = place();
    const value = canary('own');
    const set = (name: string, input: string) => runWith(input, ['secret', 'set', name, '--json'], env);
    servers({
      free: node(hostile('env-dump')),
      bound: { ...node(hostile('env-dump')), env: { TOKEN: '${secret:OWN}' } },
      lacking: { ...node(hostile('env-dump')), env: { TOKEN: '${secret:ABSENT}' } },
    });
    expect((await set('OWN', `${value}\n`)).exitCode).toBe(0);
    const directory = join(home, 'secrets');
    const key = readdirSync(directory).find((name) => name.endsWith('.key')) ?? '';
    chmodSync(join(directory, key), 0o644);

    const one = await client();
    await one.learnt();
    expect((await one.execute('free', 'dump')).isError).not.toBe(true);
    const refused = await one.execute('bound', 'dump');
    expect(refused.isError).toBe(true);
    expect(textOf(refused)).toMatch(/"bound" needs the secret OWN.*chmod 600/s);
    expect(textOf(refused)).toContain(key.replace('.key', ''));
    const absent = await one.execute('lacking', 'dump');
    expect(textOf(absent)).toMatch(/"lacking" needs the secret ABSENT.*chmod 600/s);
    // Neither was started with something else in its place.
    expect([...place().events('bound', 'start'), ...place().events('lacking', 'start')]).toEqual([]);

    chmodSync(join(directory, key), 0o600);
    const toSet = async () => textOf(await one.execute('lacking', 'dump'));
    await expect.poll(toSet, { timeout: 15_000, interval: 500 }).toContain('mcp-runtime secret set ABSENT');
    await set('ABSENT', value);
    // A server that waits for its user is looked at again after a moment.
    await expect
      .poll(async () => (await one.execute('lacking', 'dump')).isError, { timeout: 15_000, interval: 500 })
      .not.toBe(true);
    expect((await one.execute('bound', 'dump')).isError).not.toBe(true);
  });

  it('a new value reaches the server without a restart of anything else', async () => {
    const { env, servers, client } = place();
    servers({ bound: { ...node(hostile('env-dump')), env: { PLAIN: '${secret:LEVEL}' } } });
    await runWith('abc', ['secret', 'set', 'LEVEL'], env);
    const one = await client();
    const seen = async () =>
      JSON.parse(textOf(await one.execute('bound', 'dump')).split('\n')[0] ?? '{}').env?.PLAIN as string;
    await expect.poll(seen, { timeout: 15_000 }).toBe('abc');
    await runWith('xyz', ['secret', 'set', 'LEVEL'], env);
    await expect.poll(seen, { timeout: 15_000, interval: 200 }).toBe('xyz');
  });

  it('takes no value as an argument, and no secret in what everybody can read', async () => {
    const { env, servers, command } = place();
    const given = await runWith('', ['secret', 'set', 'NAME', 'the-value-itself'], env);
    expect(given.exitCode).toBe(2);
    expect(given.stdout + given.stderr).not.toContain('the-value-itself');
    servers({ a: { command: 'x', args: ['--key', '${secret:NAME}'] }, b: { command: '${secret:NAME}' } });
    const { problems } = (await command('tools')) as unknown as { problems: string[] };
    expect(problems.join('\n')).toMatch(/"a": a secret may not stand in "args"/);
    expect(problems.join('\n')).toMatch(/"b": a secret may not stand in "command"/);
  });
});

describe('the keychain of the system', () => {
  it('holds the key instead of a file, and learns it through a pipe alone', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mcprt-chain-'));
    const shim = join(folder, 'secret-tool');
    const script = `#!${process.execPath}
const { appendFileSync, readFileSync, rmSync, writeFileSync } = require('node:fs');
const [what, ...words] = process.argv.slice(2);
const file = ${JSON.stringify(folder)} + '/kept-' + words.at(-1);
appendFileSync(${JSON.stringify(join(folder, 'arguments'))}, process.argv.join(' ') + '\\n');
if (what === 'store') writeFileSync(file, readFileSync(0));
if (what === 'lookup') { try { process.stdout.write(readFileSync(file)); } catch { process.exit(1); } }
if (what === 'clear') rmSync(file, { force: true });
`;
    writeFileSync(shim, script, { mode: 0o755 });
    const env = { PATH: `${folder}:${process.env['PATH'] ?? ''}`, MCP_RUNTIME_HOME: join(folder, 'home') };
    const run = async (...args: string[]) =>
      (await runWith('kept-in-a-chain', ['secret', ...args], env)).exitCode;
    expect(await run('set', 'ONE', '--keychain')).toBe(0);
    const directory = join(folder, 'home', 'secrets');
    const keyFiles = () => readdirSync(directory).filter((name) => name.endsWith('.key'));
    const kept = () => readdirSync(folder).filter((name) => name.startsWith('kept-'));
    expect([keyFiles().length, kept().length]).toEqual([0, 1]);
    const key = readFileSync(join(folder, kept()[0] ?? ''), 'utf8');
    const store = () => new SecretStore(directory, systemKeychain('linux', env));
    expect(await store().get('ONE')).toBe('kept-in-a-chain');
    expect(await run('rotate')).toBe(0);
    expect([keyFiles().length, kept().length]).toEqual([0, 1]);
    expect(readFileSync(join(folder, kept()[0] ?? ''), 'utf8')).not.toBe(key);
    expect(await store().get('ONE')).toBe('kept-in-a-chain');
    expect(readFileSync(join(folder, 'arguments'), 'utf8')).not.toContain(key);
    // A keychain that does not answer stops what needs it; the way to a file stays.
    expect(await errorOf(new SecretStore(directory, undefined).get('ONE'))).toMatchObject({
      code: 'SECRET_UNAVAILABLE',
    });
    expect(await run('rotate', '--key-file')).toBe(0);
    expect([keyFiles().length, kept().length]).toEqual([1, 0]);
    expect(await new SecretStore(directory).get('ONE')).toBe('kept-in-a-chain');
    rmSync(folder, { recursive: true, force: true });
  });
});
