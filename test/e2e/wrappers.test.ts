import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sweepContainers } from '../../src/upstream/stdio/containers.js';
import { ownerMark } from '../../src/upstream/stdio/orphans.js';
import { PackageStarts } from '../../src/upstream/stdio/package-starts.js';
import { eventually, fixture, hostile } from '../support/processes.js';
import { bench, errorOf, stdioDefinition, textOf, within } from '../support/upstream.js';

const bed = bench();
let folder: string;
let baseEnv: Record<string, string>;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mcprt-wrap-'));
  const shims = join(folder, 'bin');
  mkdirSync(shims);
  symlinkSync(fixture('fake-docker.mjs'), join(shims, 'docker'));
  symlinkSync(fixture('fake-npx.mjs'), join(shims, 'npx'));
  baseEnv = { PATH: `${shims}:${process.env['PATH'] ?? ''}`, HOME: folder };
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const commands = () => {
  try {
    return readFileSync(join(folder, 'commands'), 'utf8').trim().split('\n');
  } catch {
    return [];
  }
};
const good = fixture('good-server.mjs');

/** Pids of "containers": nothing but their command line tells them. */
function containers(): number[] {
  const ids = new Set(commands().length === 0 ? [] : idsRun());
  return readdirSync('/proc')
    .filter((one) => /^\d+$/.test(one))
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1')
          .split('\0')
          .some((word) => ids.has(word));
      } catch {
        return false;
      }
    });
}
const known: string[] = [];
function idsRun(): string[] {
  for (const name of readdirSync(folder))
    if (name.endsWith('.container') && !known.includes(name.slice(0, -10))) known.push(name.slice(0, -10));
  return known;
}

describe('LIF-09 docker run', () => {
  const definition = (args: string[], env: Record<string, string> = {}) =>
    stdioDefinition('', [], {
      command: 'docker',
      args,
      env: { FAKE_DOCKER: folder, HOSTILE_LOG: bed().log, ...env },
    });
  const options = () => ({ baseEnv, containerDirectory: join(folder, 'containers') });

  it.each([
    ['run', ['run', '-i', '--rm', good]],
    ['container run, another context', ['--context', 'far', 'container', 'run', '-i', good]],
  ])('%s: the container ends with the session', async (_what, args) => {
    const session = await bed().open(definition(args), options());
    expect(await textOf(session.callTool('echo', { text: 'in it' }, within()))).toBe('in it');
    await eventually(() => containers().length === 1);
    await session.close();
    expect(containers()).toEqual([]);
    const run = JSON.parse(commands()[0] ?? '[]') as string[];
    expect(run.filter((word) => word.startsWith('--cidfile=') || word.startsWith('--label='))).toHaveLength(
      2,
    );
    expect(commands().at(-1)).toContain('"rm","-f"');
    expect(readdirSync(join(folder, 'containers'))).toEqual([]);
  });

  it.each([
    ['exec', `exec docker run -i ${good}`],
    ['as one of several commands', `true; docker --context far run -i ${good}; echo never >&2`],
  ])('in a shell script, %s: the container ends with the session', async (_what, script) => {
    const own = { FAKE_DOCKER: folder, HOSTILE_LOG: bed().log };
    const definition = stdioDefinition('', [], { command: '/bin/sh', args: ['-c', script], env: own });
    const session = await bed().open(definition, options());
    expect(await textOf(session.callTool('echo', { text: 'in it' }, within()))).toBe('in it');
    await eventually(() => containers().length === 1);
    await session.close();
    expect(containers()).toEqual([]);
    expect(readdirSync(join(folder, 'containers'))).toEqual([]);
  });

  it('in a shell script of an engine that was killed is removed by the next one', async () => {
    const env = { FAKE_DOCKER: folder, HOSTILE_LOG: bed().log };
    const definition = stdioDefinition('', [], {
      command: 'sh',
      args: ['-c', `docker run -i ${good}`],
      env,
    });
    const session = await bed().open(definition, options());
    await eventually(() => containers().length === 1);
    const directory = join(folder, 'containers');
    const change = (file: string, more: object) =>
      writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), ...more }));
    const [note = ''] = readdirSync(directory);
    const [container = ''] = readdirSync(folder).filter((name) => name.endsWith('.container'));
    change(join(directory, note), { owner: 'dead:4194399:1/0123' });
    change(join(folder, container), { label: 'mcp-runtime.session=dead:4194399:1/0123' });
    expect(await sweepContainers(directory, { ...baseEnv, ...env })).toBe(1);
    expect(containers()).toEqual([]);
    expect(readdirSync(directory)).toEqual([]);
    await session.close();
  });

  it('is found by its label where the id was never written', async () => {
    const session = await bed().open(definition(['run', '-i', good], { FAKE_DOCKER_NO_CID: '1' }), options());
    await eventually(() => containers().length === 1);
    await session.close();
    expect(containers()).toEqual([]);
    expect(commands().filter((line) => line.includes('"ps"'))).toHaveLength(1);
  });

  it('ends after a start that failed as well', async () => {
    const args = ['run', '-i', '--cidfile', join(folder, 'own.cid'), hostile('exits-immediately')];
    expect((await errorOf(bed().open(definition(args), options()))).code).toBe('SERVER_START_FAILED');
    idsRun();
    expect(containers()).toEqual([]);
    expect(commands().at(-1)).toContain('"rm","-f"');
  });

  it('of an engine that was killed is removed by the next one; of a living one it is not', async () => {
    const session = await bed().open(definition(['run', '-i', good]), options());
    await eventually(() => containers().length === 1);
    const directory = join(folder, 'containers');
    const [note = ''] = readdirSync(directory).filter((name) => name.endsWith('.json'));
    const kept = JSON.parse(readFileSync(join(directory, note), 'utf8')) as object;
    const own = `${await ownerMark('living')}/0123`;
    writeFileSync(join(directory, note), JSON.stringify({ ...kept, owner: own }));
    const env = { ...baseEnv, FAKE_DOCKER: folder };
    expect(await sweepContainers(directory, env)).toBe(0);
    expect(containers()).toHaveLength(1);
    writeFileSync(join(directory, note), JSON.stringify({ ...kept, owner: 'dead:4194399:1/0123' }));
    expect(await sweepContainers(directory, env)).toBe(1);
    expect(containers()).toEqual([]);
    await session.close();
  });

  it('what is no container engine, or no run, is left as it is', async () => {
    const args = ['-e', 'process.stderr.write(process.argv.slice(1).join(" ")); process.exitCode = 3', 'run'];
    const error = await errorOf(bed().open(stdioDefinition('', [], { args }), options()));
    expect(error.data?.['stderr']).toBe('run');
  });
});

describe('LIF-09 npx', () => {
  const definition = (name: string, ms: number, more = {}) =>
    stdioDefinition('', [], {
      name,
      command: 'npx',
      args: ['-y', good],
      env: { FAKE_NPX: folder, FAKE_NPX_MS: String(ms), HOSTILE_LOG: bed().log },
      ...more,
    });

  it('ten servers of one package: one installation, all run, and all end with what they started', async () => {
    const packages = new PackageStarts();
    const sessions = await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        bed().open(definition(`s${index}`, 400), { baseEnv, packages }),
      ),
    );
    expect(await textOf(sessions[9]!.callTool('echo', { text: 'x' }, within()))).toBe('x');
    expect(commands().sort()).toEqual(['install', ...Array<string>(10).fill('run')]);
    await Promise.all(sessions.map((session) => session.close()));
    await packages.close();
  });

  it('an installation that outlasts the start is not killed, and the second try finds it done', async () => {
    const packages = new PackageStarts();
    const impatient = definition('slow', 2_500, { startTimeoutMs: 1_000 });
    const error = await errorOf(bed().open(impatient, { baseEnv, packages }));
    expect(error).toMatchObject({ code: 'SERVER_START_FAILED', retryable: true });
    expect(error.message).toContain('still being installed');
    expect((await errorOf(bed().open(impatient, { baseEnv, packages }))).message).toContain(
      'still being installed',
    );
    await eventually(() => commands().includes('run'));
    const session = await eventually(() =>
      bed().open({ ...impatient, startTimeoutMs: 5_000 }, { baseEnv, packages }),
    );
    expect(await textOf(session.callTool('echo', { text: 'at last' }, within()))).toBe('at last');
    expect(commands().filter((line) => line !== 'run')).toEqual(['install']);
    await packages.close();
  });

  it('an installation under way ends with the engine', async () => {
    const packages = new PackageStarts();
    await errorOf(bed().open(definition('slow', 30_000, { startTimeoutMs: 800 }), { baseEnv, packages }));
    await packages.close();
    expect(commands()).toEqual(['install', 'killed-in-install']);
  });

  it('a server that hangs after its installation is ended at its time', async () => {
    const packages = new PackageStarts();
    const args = ['-y', hostile('hang-on-initialize')];
    const error = await errorOf(
      bed().open(definition('hangs', 10, { args, startTimeoutMs: 1_500 }), { baseEnv, packages }),
    );
    expect(error.message).toContain('did not answer initialize');
    await packages.close();
  });
});
