import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { eventually, fixture } from '../support/processes.js';
import { rawClient } from '../support/raw-client.js';
import { bin, type CallResult, node, type RuntimeClient, textOf, workplace } from '../support/runtime.js';

const looking = (...args: string[]) => node(fixture('looking-server.mjs'), ...args);
const told = (answer: CallResult): unknown => JSON.parse(textOf(answer));
const ask = async (client: RuntimeClient, server: string, tool: string, args: object = {}) =>
  told(await client.execute(server, tool, { ...args }));

/** Who tries this in a clone under /tmp, which is hidden, still has the server to try it with. */
const OURS = [dirname(fixture('looking-server.mjs'))];

/** Whether this machine lets anyone make a sandbox: containers often forbid it. */
const program = 'bwrap';
const probe = spawnSync(program, [
  '--unshare-all',
  '--ro-bind',
  '/',
  '/',
  '--proc',
  '/proc',
  '--',
  '/bin/true',
]);
const whyNot = probe.error ? 'bwrap is not installed' : probe.status === 0 ? '' : String(probe.stderr);

describe('what every server gets', () => {
  const at = workplace();

  it('SEC-03: three pipes and no descriptor of ours or of who started us, a group and a directory of its own', async () => {
    const place = at();
    place.servers({ one: looking(), 'two/2': looking() });
    const open = 'exec 200</etc/hostname 201</etc/passwd; exec "$0" "$@"';
    const client = await rawClient(
      ['bash', '-c', open, process.execPath, bin, 'serve', '--engine', 'embedded'],
      { env: place.env },
    );
    const look = async (server_name: string) => {
      const given = { server_name, tool_name: 'look', arguments: {} };
      const { result } = await client.request('tools/call', { name: 'execute_tool', arguments: given });
      return told(result as CallResult) as {
        handed: [number, string][];
        cwd: string;
        group: number;
        pid: number;
      };
    };
    const seen = await Promise.all(['one', 'two/2'].map(look)).finally(() => client.close());
    for (const { handed, group, pid } of seen) {
      const foreign = handed.filter(([, what]) => /^\//.test(what) && !/^\/(proc|dev)\b/.test(what));
      expect(foreign).toEqual([]);
      expect(handed.filter(([fd]) => fd >= 100)).toEqual([]);
      expect(group).toBe(pid);
    }
    const work = join(place.home, 'work');
    expect(seen[0]?.cwd).toBe(join(work, 'one'));
    expect(seen[1]?.cwd).toMatch(new RegExp(`^${work}/two_2-[0-9a-f]{12}$`));
  }, 60_000);
});

describe('a sandbox', () => {
  const at = workplace();

  it.skipIf(whyNot !== '')(
    'BOX-01: bubblewrap: nothing outside is changed or reached, what is said is; all of it ends',
    async () => {
      const place = at();
      const [mine, secret] = [join(place.folder, 'mine'), join(place.folder, 'secret')];
      for (const directory of [mine, secret]) mkdirSync(directory);
      writeFileSync(join(secret, 'key'), 'hunter2');
      const host = createServer((socket) => socket.end()).listen(0, '127.0.0.1');
      await new Promise((resolve) => host.once('listening', resolve));
      const { port } = host.address() as { port: number };
      const box = { network: false, write: [mine], read: OURS, hide: [secret] };
      place.servers({
        boxed: { ...looking('word'), sandbox: box },
        online: { ...looking(), sandbox: { network: true, read: OURS } },
        free: looking(),
      });
      const client = await place.client();
      const tries = async (server: string) => ({
        outside: await ask(client, server, 'write', { path: join(place.folder, 'outside') }),
        mine: await ask(client, server, 'write', { path: join(mine, server) }),
        own: await ask(client, server, 'write', { path: 'own' }),
        secret: await ask(client, server, 'read', { path: join(secret, 'key') }),
        home: await ask(client, server, 'read', { path: join(place.home, 'catalog.db') }).then(
          (text) => String(text).length > 10,
        ),
        host: await ask(client, server, 'reach', { port }),
      });
      expect(await tries('free')).toEqual({
        outside: 'written',
        mine: 'written',
        own: 'written',
        secret: 'hunter2',
        home: true,
        host: 'connected',
      });
      // What is not bound is not there at all: /tmp is its own.
      const boxed = await tries('boxed');
      expect(boxed).toMatchObject({ mine: 'written', own: 'written', secret: 'ENOENT', home: false });
      expect(boxed.host).not.toBe('connected');
      expect(await tries('online')).toMatchObject({ secret: 'ENOENT', home: false, host: 'connected' });
      expect(
        await ask(client, 'boxed', 'write', { path: join(OURS[0] as string, 'outside-of-the-box') }),
      ).toBe('EROFS');
      const look = (await ask(client, 'boxed', 'look')) as Record<string, unknown>;
      expect(look).toMatchObject({ argv: ['word'], cwd: join(place.home, 'work', 'boxed') });
      expect(look['capabilities']).toMatch(/^0+$/);
      expect(look['processes']).toBeLessThan(5);
      expect(readFileSync(join(mine, 'boxed'), 'utf8')).toBe('written');

      // What leaves its group and session still ends with it; the oracle of this suite looks for the rest.
      await ask(client, 'boxed', 'stray');
      const { servers } = (await client.call('list_running_servers')).structuredContent;
      const { pid } = servers.find(({ server }: { server: string }) => server === 'boxed');
      await client.call('manage_server', { server_name: 'boxed', action: 'shutdown' });
      await eventually(() => !existsSync(`/proc/${pid}`));
      host.close();
    },
    60_000,
  );

  it.skipIf(whyNot !== '')(
    'BOX-01: what is hidden stays hidden within what may be read or written, through a link too',
    async () => {
      const place = at();
      const [data, link] = [join(place.folder, 'data'), join(place.folder, 'link')];
      const secret = join(data, 'secret');
      mkdirSync(secret, { recursive: true });
      writeFileSync(join(secret, 'key'), 'hunter2');
      symlinkSync(data, link);
      const { folder } = place;
      place.servers({
        // All of it, and with it the home of mcp-runtime.
        wide: { ...looking(), sandbox: { write: [folder], read: OURS, hide: [secret] } },
        reads: { ...looking(), sandbox: { read: [folder, ...OURS], hide: [`${data}/./secret/`] } },
        linked: { ...looking(), sandbox: { write: [link], read: OURS, hide: [join(link, 'secret')] } },
      });
      const client = await place.client();
      const tries = async (server: string) => ({
        data: await ask(client, server, 'write', { path: join(data, server) }),
        key: await ask(client, server, 'read', { path: join(secret, 'key') }),
        own: await ask(client, server, 'write', { path: 'own' }),
        home: await ask(client, server, 'read', { path: join(place.home, 'catalog.db') }),
        policy: await ask(client, server, 'write', { path: join(place.home, 'policy.json') }),
      });
      const hidden = { key: 'ENOENT', own: 'written', home: 'ENOENT' };
      expect(await tries('wide')).toMatchObject({ ...hidden, data: 'written' });
      expect(await tries('reads')).toMatchObject({ ...hidden, data: 'EROFS' });
      expect(await tries('linked')).toMatchObject({ ...hidden, data: 'written' });
      expect(existsSync(join(place.home, 'policy.json'))).toBe(false);
    },
    60_000,
  );

  it.skipIf(whyNot !== '')(
    'BOX-02: an engine that is killed leaves nothing of it behind',
    async () => {
      const place = at();
      place.servers({ boxed: { ...looking(), sandbox: { read: OURS } } });
      const client = await place.client();
      await ask(client, 'boxed', 'stray');
      process.kill(client.pid, 'SIGKILL');
      await client.close();
      // Nobody swept: what is in the box goes with who made it. The oracle looks for it by its mark.
    },
    60_000,
  );

  it('BOX-03: docker: the container gets what is said, values of the environment by name alone', async () => {
    const place = at();
    const docker = fakeDocker(place.folder);
    place.servers({
      boxed: {
        command: process.execPath,
        args: [fixture('looking-server.mjs'), 'word'],
        env: { API_KEY: 'hunter2' },
        sandbox: { docker: 'node:22', write: ['mine'], read: ['/opt/data'] },
      },
    });
    const env = { PATH: `${docker}:${place.env['PATH']}` };
    const client = await place.client({ env });
    expect(await ask(client, 'boxed', 'look')).toMatchObject({ argv: ['word'] });
    const [argv = []] = runs(docker);
    expect(argv).toEqual(
      expect.arrayContaining([
        '--network=none',
        '--read-only',
        '--cap-drop=ALL',
        '--security-opt=no-new-privileges',
        '--env=API_KEY',
        `--volume=${place.folder}/mine:${place.folder}/mine`,
        '--volume=/opt/data:/opt/data:ro',
        `--workdir=${place.home}/work/boxed`,
      ]),
    );
    expect(argv.slice(argv.indexOf('node:22'))).toEqual([
      'node:22',
      process.execPath,
      fixture('looking-server.mjs'),
      'word',
    ]);
    expect(argv.join(' ')).not.toContain('hunter2');
    await client.close();
    // Ours to remove, like every container that a definition runs.
    expect(runs(docker, 'rm')).toHaveLength(1);
  }, 60_000);

  it('BOX-03: docker: what is hidden is covered within what the container is given', async () => {
    const place = at();
    const docker = fakeDocker(place.folder);
    const secret = join(place.folder, 'mine', 'secret');
    mkdirSync(secret, { recursive: true });
    symlinkSync(join(place.folder, 'mine'), join(place.folder, 'link'));
    place.servers({
      boxed: { ...looking(), sandbox: { docker: 'node:22', write: ['.'], read: ['link'], hide: [secret] } },
    });
    const env = { PATH: `${docker}:${place.env['PATH']}` };
    const client = await place.client({ env });
    await ask(client, 'boxed', 'look');
    const [argv = []] = runs(docker);
    expect(argv).toEqual(
      expect.arrayContaining([
        `--tmpfs=${secret}`,
        `--tmpfs=${place.folder}/link/secret`,
        `--tmpfs=${place.home}`,
      ]),
    );
    await client.close();
  }, 60_000);

  it('BOX-04: what cannot be had is refused and said, never left out', async () => {
    const place = at();
    const empty = join(place.folder, 'empty');
    mkdirSync(empty);
    place.servers({
      boxed: { ...looking(), sandbox: true },
      contained: { ...looking(), sandbox: { docker: 'node:22' } },
      missing: { ...looking(), sandbox: { write: ['not-there'] } },
      typo: { ...looking(), sandbox: { netwrok: false } },
      remote: { url: 'http://127.0.0.1:1/mcp', sandbox: true },
    });
    const client = await place.client({ env: { PATH: empty } });
    const refusal = async (server: string) => textOf(await client.execute(server, 'look'));
    expect(await refusal('boxed')).toMatch(/sandbox cannot be had.*bwrap.*not installed/);
    expect(await refusal('contained')).toMatch(/sandbox cannot be had.*docker is not installed/);
    const problems = JSON.stringify((await client.call('list_servers')).structuredContent.problems);
    expect(problems).toMatch(/sandbox: \\"netwrok\\" is not known \(did you mean \\"network\\"\?\)/);
    expect(problems).toMatch(/remote.*runs elsewhere/);
    await client.close();
    if (whyNot !== '') return;
    const other = await place.client();
    expect(textOf(await other.execute('missing', 'look'))).toMatch(/not-there does not exist/);
  }, 60_000);

  if (whyNot !== '') it.skip(`BOX-01 and BOX-02 need bubblewrap: ${whyNot}`, () => {});
});

/** A docker on PATH that runs what stands behind the image, and writes down how it was called. */
function fakeDocker(folder: string): string {
  const directory = join(folder, 'docker');
  mkdirSync(directory);
  const program = join(directory, 'docker');
  const words = [process.execPath, fixture('recording-docker.mjs')].map((word) => `'${word}'`).join(' ');
  writeFileSync(program, `#!/bin/sh\nFAKE_DOCKER='${directory}' exec ${words} "$@"\n`, { mode: 0o755 });
  return directory;
}

const runs = (directory: string, command = 'run'): string[][] =>
  readFileSync(join(directory, 'commands'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as string[])
    .filter(([first]) => first === command);
