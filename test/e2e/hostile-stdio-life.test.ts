import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { eventually, fixture, hostile, isAlive } from '../support/processes.js';
import { bench, errorOf, stdioDefinition, textOf, within } from '../support/upstream.js';

const bed = bench();
const folder = mkdtempSync(join(tmpdir(), 'upstream-life-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function timed<T>(work: Promise<T>): Promise<{ value: T; ms: number }> {
  const start = performance.now();
  const value = await work;
  return { value, ms: performance.now() - start };
}

describe('LIF-01 a server that hangs on initialize', () => {
  it('fails at its start budget with the tail of stderr, and nothing is left', async () => {
    const { value: error, ms } = await timed(
      errorOf(bed().hostile('hang-on-initialize', [], { definition: { startTimeoutMs: 1_000 } })),
    );
    expect(error.code).toBe('SERVER_START_FAILED');
    expect(error.message).toContain('did not answer initialize within 1 s');
    expect(error.message).toContain('loading, please wait');
    expect(error.data).toMatchObject({ server: 'hang-on-initialize', phase: 'initialize' });
    expect(ms).toBeGreaterThan(950);
    expect(ms).toBeLessThan(4_000);
  });

  it('ends when the caller leaves during the start', async () => {
    const leaving = new AbortController();
    const starting = errorOf(
      bed().hostile('hang-on-initialize', [], { options: { signal: leaving.signal } }),
    );
    await eventually(() => bed().events('start').length === 1);
    leaving.abort();
    expect((await starting).code).toBe('CANCELLED');
  });
});

describe('LIF-02 a server that cannot be started', () => {
  it('says what it said last when it exits at once', async () => {
    const error = await errorOf(bed().hostile('exits-immediately', ['7']));
    expect(error.code).toBe('SERVER_START_FAILED');
    expect(error.message).toContain('exited with code 7 before it answered initialize');
    expect(error.message).toContain('Please set EXAMPLE_API_KEY');
    expect(error.data).toMatchObject({ exitCode: 7, stderr: 'Error: Please set EXAMPLE_API_KEY' });
    expect(bed().events('start')).toHaveLength(1);
  });

  mkdirSync(join(folder, 'a-folder'), { recursive: true });
  symlinkSync('round', join(folder, 'round'));
  writeFileSync(join(folder, 'not-executable'), 'hello', { mode: 0o644 });
  writeFileSync(join(folder, 'no-interpreter'), '#!/no/such/interpreter\n', { mode: 0o755 });
  it.each([
    ['a missing command', { command: 'no-such-command-anywhere' }, 'was not found in PATH', 'ENOENT'],
    ['a missing path', { command: join(folder, 'missing') }, 'does not exist', 'ENOENT'],
    ['a directory', { command: join(folder, 'a-folder') }, 'is a directory', 'EACCES'],
    [
      'a file that is not executable',
      { command: join(folder, 'not-executable') },
      'is not executable',
      'EACCES',
    ],
    [
      'a missing interpreter',
      { command: join(folder, 'no-interpreter') },
      'first line was not found',
      'ENOENT',
    ],
    ['a missing working directory', { cwd: join(folder, 'gone') }, 'working directory', 'ENOENT'],
    [
      'a working directory that is a file',
      { cwd: join(folder, 'not-executable') },
      'is not a directory',
      'ENOTDIR',
    ],
    [
      'a command inside a file',
      { command: join(folder, 'not-executable', 'x') },
      'does not exist',
      'ENOTDIR',
    ],
    [
      'a working directory inside a file',
      { cwd: join(folder, 'not-executable', 'x') },
      'does not exist',
      'ENOTDIR',
    ],
    ['a link to itself', { command: join(folder, 'round') }, 'does not exist', 'ELOOP'],
    ['a name without end', { command: 'x'.repeat(5_000) }, 'x…" was not found in PATH', 'ENAMETOOLONG'],
    ['a command with NUL', { command: 'no\0de' }, '(NUL)', 'ERR_INVALID_ARG_VALUE'],
    ['a working directory with NUL', { cwd: '/tmp/\0' }, '(NUL)', 'ERR_INVALID_ARG_VALUE'],
  ])('tells %s in plain words, at once', async (_what, more, words, errno) => {
    const { value: error, ms } = await timed(
      errorOf(bed().open(stdioDefinition(fixture('good-server.mjs'), [], more))),
    );
    expect(error.code).toBe('SERVER_START_FAILED');
    expect(error.message).toContain(words);
    expect(error.hint).toBeTruthy();
    expect(error.retryable).toBe(false);
    expect(error.data).toMatchObject({ server: 'under-test', phase: 'spawn', errno });
    expect(ms).toBeLessThan(1_000);
  });

  it('takes an argument that no system can pass for what it is', async () => {
    const error = await errorOf(bed().open(stdioDefinition('a\0b')));
    expect(error.code).toBe('SERVER_START_FAILED');
  });
});

describe('LIF-03 a slow start', () => {
  it('is waited for', async () => {
    const session = await bed().hostile('slow-start', ['1200', 'chatty']);
    expect(await textOf(session.callTool('echo', { text: 'up' }, within()))).toBe('up');
  });
});

describe('LIF-04 a server that dies in a call', () => {
  it.each([
    ['exit', { exitCode: 3 }],
    ['clean', { exitCode: 0 }],
    ['throw', { exitCode: 1 }],
    ['abort', { signal: 'SIGABRT' }],
    ['segv', { signal: 'SIGSEGV' }],
    ['kill', { signal: 'SIGKILL' }],
  ])('%s: fails all that waits at once, with the facts', async (how, facts) => {
    const session = await bed().hostile('crash-on-call', []);
    const { value: errors, ms } = await timed(
      Promise.all(Array.from({ length: 4 }, () => errorOf(session.callTool('crash', { how }, within())))),
    );
    for (const error of errors) {
      expect(error.code).toBe('SERVER_DIED');
      expect(error.data).toMatchObject({ server: 'crash-on-call', ...facts });
      expect(String(error.data?.['stderr'])).toContain('last words of crash-on-call');
    }
    expect(ms).toBeLessThan(5_000);
    const end = await session.ended;
    expect(end.reason).toBe('exited');
    expect((await errorOf(session.callTool('echo', {}, within()))).code).toBe('SERVER_DIED');
  });
});

describe('LIF-06 a server that ignores every request to stop', () => {
  it.each(['plain', 'busy'])('%s: is gone within six seconds', async (mode) => {
    const session = await bed().hostile('ignores-sigterm', [mode]);
    const { value: end, ms } = await timed(session.close());
    expect(isAlive(session.pid ?? 0)).toBe(false);
    expect(end).toMatchObject({ reason: 'closed', exitSignal: 'SIGKILL' });
    expect(ms).toBeLessThan(8_000);
    if (mode === 'plain') expect(bed().events('signal')).toMatchObject([{ sig: 'SIGTERM' }]);
    expect(bed().events('ignoring-eof')).toHaveLength(1);
  });

  it('a well-behaved one sees the end of its input and no signal', async () => {
    const session = await bed().open(
      stdioDefinition(fixture('good-server.mjs'), [], { env: { HOSTILE_LOG: bed().log } }),
    );
    const { value: end, ms } = await timed(session.close());
    expect(end).toMatchObject({ reason: 'closed', exitCode: 0 });
    expect(bed().events('signal')).toEqual([]);
    expect(ms).toBeLessThan(2_000);
  });
});

describe('LIF-07 a server with helpers that outlive it', () => {
  it.each(['plain', 'inherit', 'detached'])('%s: none is left after close', async (mode) => {
    const session = await bed().hostile('forks-grandchildren', ['3', mode]);
    const pids = JSON.parse(await textOf(session.callTool('pids', {}, within()))) as number[];
    expect(pids.filter(isAlive)).toHaveLength(3);
    const { ms } = await timed(session.close());
    expect(pids.filter(isAlive)).toEqual([]);
    expect(isAlive(session.pid ?? 0)).toBe(false);
    expect(ms).toBeLessThan(8_000);
  });

  it.each(['inherit', 'detached'])(
    '%s: none is left after the server was killed by someone else',
    async (mode) => {
      const session = await bed().hostile('forks-grandchildren', ['2', mode]);
      const pids = JSON.parse(await textOf(session.callTool('pids', {}, within()))) as number[];
      process.kill(session.pid ?? 0, 'SIGKILL');
      expect(await session.ended).toMatchObject({ reason: 'exited', exitSignal: 'SIGKILL' });
      expect(pids.filter(isAlive)).toEqual([]);
    },
  );

  it('leaves the processes of another session alone', async () => {
    const kept = await bed().hostile('forks-grandchildren', ['1', 'detached']);
    const other = await bed().hostile('forks-grandchildren', ['1', 'detached']);
    const [keptPid] = JSON.parse(await textOf(kept.callTool('pids', {}, within()))) as number[];
    await other.close();
    expect(isAlive(keptPid ?? 0)).toBe(true);
    expect(await textOf(kept.callTool('echo', { text: 'alive' }, within()))).toBe('alive');
  });

  it('ends a wrapper and what it wraps', async () => {
    const definition = stdioDefinition('', [], {
      command: '/bin/sh',
      args: ['-c', `"${process.execPath}" "${fixture('good-server.mjs')}"; echo over`],
    });
    const session = await bed().open(definition);
    const inner = Number(await textOf(session.callTool('pid', {}, within())));
    expect(inner).not.toBe(session.pid);
    await session.close();
    expect(isAlive(inner)).toBe(false);
  });
});

describe('LIF-10 a server that closes a pipe and lives on', () => {
  it.each(['stdout', 'both'])('%s: is taken as gone, and ended', async (what) => {
    const session = await bed().hostile('closes-stdout', [what, '300']);
    const error = await errorOf(session.callTool('wait', {}, within(20_000)));
    expect(error.code).toBe('SERVER_DIED');
    expect(error.message).toMatch(/closed its (?:output|input) but went on running/);
    expect((await session.ended).reason).toBe('lost');
    expect(isAlive(session.pid ?? 0)).toBe(false);
  });

  it('stdin: is taken as gone at the next write', async () => {
    const session = await bed().hostile('closes-stdout', ['stdin', '100']);
    await eventually(() => bed().events('closed').length === 1);
    const error = await errorOf(session.callTool('wait', {}, within(20_000)));
    expect(error.code).toBe('SERVER_DIED');
    expect((await session.ended).reason).toBe('lost');
  });
});

describe('SOK-03 many starts and stops', () => {
  it('leave no descriptor open', async () => {
    const cycle = async () => {
      const session = await bed().open(stdioDefinition(fixture('good-server.mjs')));
      await session.callTool('echo', { text: 'x' }, within());
      await session.close();
    };
    const open = () => readdirSync('/proc/self/fd').length;
    await cycle();
    const before = open();
    for (let i = 0; i < 12; i += 1) await cycle();
    await errorOf(bed().open(stdioDefinition('x', [], { command: 'no-such-command-anywhere' })));
    expect(open()).toBeLessThanOrEqual(before + 3);
  });
});

describe('SEC-03 what a server sees of us', () => {
  it('is a safe list, its own variables and the marker; three descriptors; its own process group', async () => {
    const session = await bed().open(
      stdioDefinition(hostile('env-dump'), [], { env: { OWN_KEY: 'own-value' } }),
    );
    const seen = JSON.parse(await textOf(session.callTool('dump', {}, within()))) as {
      env: Record<string, string>;
      fds: [number, string][];
      pgrp: number;
      pid: number;
    };
    expect(Object.keys(seen.env).sort()).toEqual(['HOME', 'OWN_KEY', 'PATH', bed().marker.name].sort());
    expect(seen.pgrp).toBe(seen.pid);
    // Node opens some for itself (event loop, /dev/null, the directory just read); none of ours is a file or a socket.
    const foreign = seen.fds.filter(
      ([fd, link]) =>
        fd > 2 && !/^anon_inode:|^pipe:|^\/dev\/(?:null|urandom|random)$|^\/proc\/|^\(/.test(link),
    );
    expect(foreign).toEqual([]);
  });

  it('hides its secrets where it prints them before it fails', async () => {
    const script = 'process.stderr.write("bad key " + process.env.API_KEY + "\\n"); process.exitCode = 1';
    const definition = stdioDefinition('', [], {
      args: ['-e', script],
      env: { API_KEY: 'sk-canary-123456' },
    });
    const error = await errorOf(bed().open(definition));
    expect(JSON.stringify(error)).not.toContain('sk-canary');
    expect(error.message).toContain('bad key [API_KEY]');
  });
});
