import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseServersFile } from '../../src/config/servers-file.js';
import { fixture } from '../support/processes.js';
import { good, workplace } from '../support/runtime.js';

const SECRET = 'ghp_canary0123456789abcdefABCDEF0123456789';

describe('filling the servers file', () => {
  const at = workplace();
  const written = () => readFileSync(at().config, 'utf8');
  const servers = () =>
    parseServersFile(at().config, written(), { environment: { GITHUB_TOKEN: 'x' }, baseDirectory: '/' });
  const client = (path: string, content: unknown) => {
    const file = join(at().folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  };

  it('adds and removes one server; what else stands in the file stays as it is', async () => {
    writeFileSync(at().config, '{\n  // mine\n  "mcpServers": {\n    "a": { "command": "x" }\n  }\n}\n');
    const before = written();
    const added = await at().command(
      'index',
      'add',
      'files',
      '--json',
      '--env',
      'A=1',
      '--hint',
      'my notes',
      '--',
      process.execPath,
      fixture('good-server.mjs'),
      '-y',
      '--flag',
    );
    expect(added).toMatchObject({ exitCode: 0, server: 'files' });
    expect(written()).toContain('// mine');
    expect(servers().definitions[1]).toMatchObject({
      name: 'files',
      command: process.execPath,
      args: [fixture('good-server.mjs'), '-y', '--flag', '--json'],
      env: { A: '1' },
      hints: ['my notes'],
    });
    expect(await at().command('index', 'add', 'a', '--url', 'http://127.0.0.1:1/mcp')).toMatchObject({
      error: { code: 'INVALID_ARGUMENTS' },
    });
    expect(await at().command('index', 'add', 'b', '--url', 'nonsense')).toMatchObject({
      error: { code: 'INVALID_ARGUMENTS' },
    });
    expect(await at().command('index', 'remove', 'files')).toMatchObject({ exitCode: 0 });
    expect(written()).toBe(before);
    expect(await at().command('index', 'remove', 'files')).toMatchObject({
      error: { code: 'SERVER_NOT_FOUND' },
    });
  });

  it('finds the clients of this machine, writes nothing unasked, copies no secret, and takes it back', async () => {
    client('.cursor/mcp.json', {
      mcpServers: {
        github: { command: 'npx', args: ['-y', 'mcp-github'], env: { GITHUB_TOKEN: SECRET } },
        odd: { command: 'npx', args: ['\u001b[31mred\u202e', 'ü'] },
      },
    });
    client('.codeium/windsurf/mcp_config.json', {
      mcpServers: { github: { command: 'npx', args: ['other'] } },
    });
    const shown = await at().command('index', 'import');
    expect(shown).toMatchObject({ exitCode: 4, written: false, variables: ['GITHUB_TOKEN'] });
    expect(existsSync(at().config)).toBe(false);

    const done = await at().command('index', 'import', '--yes');
    expect(done).toMatchObject({ exitCode: 0, written: true });
    expect(JSON.stringify(done)).not.toContain(SECRET);
    expect(written()).not.toContain(SECRET);
    expect(
      servers()
        .definitions.map(({ name }) => name)
        .sort(),
    ).toEqual(['github', 'github-windsurf', 'odd']);
    expect(servers().definitions.find(({ name }) => name === 'github')).toMatchObject({
      env: { GITHUB_TOKEN: 'x' },
      needs: ['GITHUB_TOKEN'],
    });
    expect(await at().command('index', 'import', '--yes')).toMatchObject({ exitCode: 0, written: false });
    expect(await at().command('index', 'import', '--undo')).toMatchObject({ exitCode: 0, undone: true });
    expect(existsSync(at().config)).toBe(false);
  });

  it('does not take back what was edited since', async () => {
    at().servers({ mine: good() });
    client('.cursor/mcp.json', { mcpServers: { a: { command: 'x' } } });
    const before = written();
    await at().command('index', 'import', '--yes');
    expect(readFileSync(`${at().config}.bak`, 'utf8')).toBe(before);
    const after = written();
    writeFileSync(at().config, `${after}\n// edited`);
    expect(await at().command('index', 'import', '--undo')).toMatchObject({
      error: { code: 'CONFIG_INVALID' },
    });
    writeFileSync(at().config, after);
    await at().command('index', 'import', '--undo');
    expect(written()).toBe(before);
  });

  it('leaves out what a file of somebody else should not run, unless it is named', async () => {
    const file = join(at().folder, 'given.json');
    client('given.json', {
      mcpServers: {
        fine: { command: 'npx', args: ['-y', 'mcp-fine'] },
        shell: { command: 'sh', args: ['-c', 'touch rel-pwned'] },
        options: {
          command: 'npx',
          args: ['-y', 'x'],
          env: { NODE_OPTIONS: '--import=data:text/javascript,0' },
        },
      },
    });
    const first = await at().command('index', 'import', '--file', file, '--yes');
    expect(first).toMatchObject({ servers: [{ server: 'fine' }] });
    expect(JSON.stringify(first['notes'])).toMatch(/shell.*starts a shell/);
    expect(JSON.stringify(first['notes'])).toMatch(/options.*NODE_OPTIONS/);
    const named = await at().command('index', 'import', '--file', file, '--only', 'shell', '--yes');
    expect(named).toMatchObject({ servers: [{ server: 'shell', problems: [expect.any(String)] }] });
  });

  it('takes over a registry from a file, and page by page from an address', async () => {
    const entry = (name: string) => ({
      server: {
        name: `io.example/${name}`,
        version: '1.2.3',
        packages: [
          {
            registryType: 'npm',
            identifier: `mcp-${name}`,
            version: '1.2.3',
            transport: { type: 'stdio' },
            environmentVariables: [{ name: 'API_KEY', isRequired: true, isSecret: true }],
          },
        ],
      },
    });
    client('registry.json', { servers: [entry('one')] });
    const path = join(at().folder, 'registry.json');
    expect(await at().command('index', 'import', '--registry', path, '--yes')).toMatchObject({
      servers: [{ server: 'one', entry: { command: 'npx', args: ['-y', 'mcp-one@1.2.3'] } }],
      variables: ['API_KEY'],
    });
    const pages = createServer((request, response) => {
      const second = request.url?.includes('cursor=next');
      response.setHeader('content-type', 'application/json');
      response.end(
        JSON.stringify({
          servers: [entry(second ? 'three' : 'two')],
          metadata: second ? {} : { nextCursor: 'next' },
        }),
      );
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => pages.once('listening', resolve));
    const { port } = pages.address() as AddressInfo;
    const url = `http://127.0.0.1:${port}`;
    const imported = await at().command('index', 'import', '--registry', url, '--yes');
    pages.close();
    expect(imported).toMatchObject({ servers: [{ server: 'two' }, { server: 'three' }] });
  });
});
