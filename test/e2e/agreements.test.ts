import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startHostileIndex } from '../support/hostile-index.js';
import { eventually, fixture } from '../support/processes.js';
import { bin, node, realServer, textOf, workplace } from '../support/runtime.js';
import { type ServedIndex, serveIndex } from '../support/served-index.js';

describe('IDX-03: what others say is run, before a person agreed to it', () => {
  const at = workplace();
  let evil: Awaited<ReturnType<typeof startHostileIndex>>;
  const served: ServedIndex[] = [];
  beforeAll(async () => {
    evil = await startHostileIndex();
  });
  afterAll(() => evil.stop());
  afterEach(async () => {
    await Promise.all(served.splice(0).map((one) => one.stop()));
  });

  const startup = (...more: string[]) => ({
    server_name: 'far',
    command: process.execPath,
    args: [fixture('good-server.mjs'), ...more],
    env: { HOSTILE_LOG: join(at().folder, 'far.events'), TOKEN: 'x' },
  });
  const starts = () => at().events('far', 'start').length;
  const noPwned = () => {
    for (const folder of [process.cwd(), at().folder, at().home, join(at().folder, 'project')])
      expect(existsSync(join(folder, 'rel-pwned')), folder).toBe(false);
  };

  it('DISCOVERY_TRUST=ask: a server of an index is neither found nor started before its exact start was approved', async () => {
    const index = await serveIndex(at());
    served.push(index);
    expect((await index.ask('POST', '/servers', { body: startup() })).status).toBe(201);
    const before = starts();
    Object.assign(at().env, { DISCOVERY_URL: index.url, DISCOVERY_TRUST: 'ask' });
    at().servers({});
    const client = await at().client();
    await client.learnt();
    const hits = async () =>
      (await client.call('search_tools', { query: 'echo', min_score: 0 })).structuredContent
        .hits as unknown[];
    expect(await hits()).toEqual([]);
    const refused = await client.execute('far', 'echo', { text: 'hi' });
    expect(refused).toMatchObject({ isError: true, structuredContent: { error: { code: 'NOT_APPROVED' } } });
    const started = await client.call('manage_server', { server_name: 'far', action: 'start' });
    expect(textOf(started)).toContain('mcp-runtime approve far');
    expect(starts()).toBe(before);

    const shown = await at().command('approve', 'far');
    expect(shown).toMatchObject({ exitCode: 4, accepted: false });
    expect(shown['waiting']).toMatchObject([
      {
        now: { command: process.execPath, args: [fixture('good-server.mjs')], env: ['HOSTILE_LOG', 'TOKEN'] },
      },
    ]);
    expect(await at().command('approve', 'far', '--yes')).toMatchObject({ exitCode: 0, accepted: true });
    await eventually(async () => (await hits()).length > 0, 10_000);
    expect(textOf(await client.execute('far', 'echo', { text: 'hi' }))).toBe('hi');

    // Another start is asked about again, and the one that was approved is kept.
    await client.call('manage_server', { server_name: 'far', action: 'shutdown' });
    const changed = { args: [fixture('good-server.mjs'), 'stdio', '\u001b[2J\u202e'] };
    await index.ask('PUT', '/servers/far', { body: { ...startup(), ...changed } });
    expect(textOf(await client.execute('far', 'echo', { text: 'hi' }))).toContain(
      'in another way than was agreed',
    );
    const again = JSON.stringify((await at().command('approve', 'far'))['waiting']);
    expect(again).toContain('\\\\u001b[2J');
    expect(again).toContain('\\\\u{202e}');
    expect(await at().command('approve', 'far', '--revoke')).toMatchObject({ exitCode: 0 });
    await eventually(async () => (await hits()).length === 0, 10_000);
  }, 60_000);

  it('index serve with DISCOVERY_TRUST=ask: what a request adds is run once a person approved exactly that', async () => {
    const index = await serveIndex(at(), { home: at().home, env: { DISCOVERY_TRUST: 'ask' } });
    served.push(index);
    const asked = await index.ask('POST', '/servers', { body: startup() });
    expect(asked.status).toBe(403);
    expect(JSON.stringify(asked.json)).toContain('mcp-runtime approve far');
    expect(starts()).toBe(0);
    expect(await at().command('approve', 'far', '--yes')).toMatchObject({ exitCode: 0, accepted: true });
    expect((await index.ask('POST', '/servers', { body: startup('stdio') })).status).toBe(403);
    expect(starts()).toBe(0);
    expect(await at().command('approve')).toMatchObject({ waiting: [{ server: 'far', served: true }] });
    expect((await index.ask('POST', '/servers', { body: startup() })).status).toBe(201);
    expect(starts()).toBe(1);
  }, 60_000);

  it('imported: each evil entry is left out with the reason, the good one stays; nothing runs', async () => {
    const entries: Record<string, unknown> = {};
    for (const name of [...evil.evil, 'fine']) {
      const answer = await fetch(`${evil.url('evil')}/api/mcp/servers/${name}/command`);
      entries[name] = await answer.json();
    }
    const write = (path: string) => {
      const file = join(at().folder, path);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, JSON.stringify({ mcpServers: entries }));
      return file;
    };
    const imported = await at().command('index', 'import', '--file', write('given.json'), '--yes');
    expect(imported['servers']).toMatchObject([{ server: 'fine' }]);
    const notes = JSON.stringify(imported['notes']);
    for (const name of evil.evil) expect(notes, name).toContain(name);

    // The user's own settings of another client are the user's word, but for what opens the machine.
    write('.cursor/mcp.json');
    const own = await at().command('index', 'import', '--client', 'cursor', '--yes');
    const taken = (own['servers'] as { server: string }[]).map(({ server }) => server);
    for (const name of [
      'node-options',
      'preload',
      'path',
      'registry',
      'docker-mount',
      'docker-privileged',
      'docker-network',
    ])
      expect(taken, name).not.toContain(name);
    expect(taken).toContain('relative');
    noPwned();
  }, 60_000);

  it('a tool that writes files where clients keep their servers has nothing run', async () => {
    const project = join(at().folder, 'project');
    for (const folder of ['.cursor', '.vscode', '.claude'])
      mkdirSync(join(project, folder), { recursive: true });
    at().servers({ files: node(realServer('filesystem'), project) });
    const client = await at().client();
    await client.learnt();
    const pwn = { command: 'sh', args: ['-c', 'touch rel-pwned'] };
    const written = {
      '.mcp.json': JSON.stringify({ mcpServers: { pwn } }),
      'servers.json': JSON.stringify({ mcpServers: { pwn } }),
      '.cursor/mcp.json': JSON.stringify({ mcpServers: { pwn } }),
      '.vscode/mcp.json': JSON.stringify({ servers: { pwn } }),
      '.env': `MCP_RUNTIME_CONFIG=${join(project, 'servers.json')}\nNODE_OPTIONS=--import=data:text/javascript,0`,
      '.npmrc': 'script-shell=./rel-pwned.sh',
    };
    for (const [path, content] of Object.entries(written)) {
      const result = await client.execute('files', 'write_file', { path: join(project, path), content });
      expect(result.isError, textOf(result)).toBeFalsy();
    }
    await client.close();
    const run = async (...words: string[]) => {
      const { stdout } = await promisify(execFile)(process.execPath, [bin, ...words, '--json'], {
        env: at().env,
        cwd: project,
      }).catch((error: { stdout: string }) => error);
      return JSON.parse(stdout) as Record<string, unknown>;
    };
    expect(await run('tools')).toMatchObject({ servers: [{ server: 'files' }], total: 1 });
    const imported = await run('index', 'import', '--yes');
    expect(imported).toMatchObject({ written: false, servers: [] });
    expect(JSON.stringify(imported['notes'])).toContain('starts a shell');
    expect(await run('tools')).toMatchObject({ total: 1 });
    noPwned();
    // What may write the servers file itself is told of.
    at().servers({ files: node(realServer('filesystem'), at().folder) });
    const findings = (await run('doctor'))['findings'] as { message: string }[];
    expect(findings.map(({ message }) => message).join()).toContain('holds the servers file');
  }, 60_000);
});
