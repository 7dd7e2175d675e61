import { execFile } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readDescriptor } from '../../src/wire/engine-descriptor.js';
import { openEngineDirectory } from '../../src/wire/engine-directory.js';
import { eventually, isAlive } from '../support/processes.js';
import { bin, project } from '../support/runtime.js';
import { WireStage } from '../support/wire.js';

let stage: WireStage;
beforeEach(() => {
  stage = new WireStage();
});
afterEach(() => stage.end());

describe('one engine per home', () => {
  it('lets one of twenty that race win, and takes over from one that was killed', async () => {
    for (let round = 0; round < 3; round += 1) {
      const racing = Array.from({ length: 20 }, () => stage.engine());
      const codes = racing.map((one) => one.exited);
      await eventually(() => racing.filter((one) => one.child.exitCode !== null).length === 19, 60_000);
      const [winner] = racing.filter((one) => one.child.exitCode === null);
      if (winner === undefined) throw new Error('nobody won');
      await stage.ready(winner);
      const losers = racing.filter((one) => one !== winner);
      expect(losers.map((one) => one.child.exitCode)).toEqual(Array.from({ length: 19 }, () => 12));
      expect(losers.every((one) => one.stderr().includes('already running'))).toBe(true);
      winner.signal('SIGKILL');
      await Promise.all(codes);
    }
  }, 120_000);

  it('tells a second engine who is there, and keeps files closed to others', async () => {
    const first = stage.engine();
    await stage.ready(first);
    const second = stage.engine();
    expect(await second.exited).toBe(12);
    expect(second.stderr()).toContain(`already running (pid ${first.pid}, version 1.0.0)`);
    const dir = join(stage.home, 'engine');
    expect(statSync(dir).mode & 0o777).toBe(0o700);
    expect(statSync(join(dir, 'engine.json')).mode & 0o777).toBe(0o600);
    first.signal('SIGTERM');
    expect(await first.exited).toBe(0);
    expect(readdirSync(dir).filter((name) => !name.startsWith('engine.lock'))).toEqual([]);
  });

  it('is started once by twenty front-ends that come at once', async () => {
    const fronts = Array.from({ length: 20 }, () => stage.front());
    const pids = await Promise.all(fronts.map((front) => stage.joined(front)));
    expect(new Set(pids).size).toBe(1);
    expect(stage.ledger().filter((line) => line.ev === 'engine').length).toBe(1);
    for (const [n, front] of fronts.entries()) front.ask({ prefix: `f${n}-`, count: 20, tool: 'counter' });
    await eventually(
      () => fronts.every((front) => front.lines.filter((line) => line.key).length === 20),
      20_000,
    );
    const counted = fronts.flatMap((front) =>
      front.lines.filter((line) => line.key).map((line) => Number(line.ok)),
    );
    expect(counted.sort((a, b) => a - b)).toEqual(Array.from({ length: 400 }, (_, n) => n + 1));
    for (const front of fronts) front.child.stdin?.end();
    expect(await Promise.all(fronts.map((front) => front.exited))).toEqual(fronts.map(() => 0));
  }, 90_000);

  it('is found again after it was killed, whatever it left behind', async () => {
    const front = stage.front();
    const first = await stage.joined(front);
    front.ask({ prefix: 'before', tool: 'echo' });
    await eventually(() => front.lines.some((line) => line.key === 'before0' && line.ok));
    process.kill(first, 'SIGKILL');
    await eventually(() => !isAlive(first));
    // The first one may meet the dead connection; it is told so, and not repeated.
    for (const key of ['after', 'next']) {
      front.ask({ prefix: key, tool: 'echo' });
      await eventually(() => front.lines.some((line) => line.key === `${key}0`), 20_000);
    }
    expect(['OUTCOME_UNKNOWN', undefined]).toContain(front.lines.find((line) => line.key === 'after0')?.code);
    expect(front.lines.find((line) => line.key === 'next0')?.ok).toBe('echo');
    const directory = await openEngineDirectory({ home: stage.home });
    expect((await readDescriptor(directory))?.pid).not.toBe(first);
    expect(readdirSync(join(stage.home, 'engine')).filter((name) => /^[zs]-/.test(name)).length).toBe(2);
  }, 60_000);

  it('says again where it is when somebody removed that', async () => {
    const engine = stage.engine();
    await stage.ready(engine);
    const directory = await openEngineDirectory({ home: stage.home });
    const told = await readDescriptor(directory);
    rmSync(directory.descriptorPath);
    expect(await stage.joined(stage.front())).toBe(engine.pid);
    expect(await readDescriptor(directory)).toEqual(told);
    // What stands in its place belongs to whoever wrote it.
    writeFileSync(directory.descriptorPath, JSON.stringify({ ...told, pid: 1 }));
    engine.signal('SIGTERM');
    expect(await engine.exited).toBe(0);
    expect(await readDescriptor(directory)).toEqual({ ...told, pid: 1 });
  }, 60_000);

  it('says why it cannot be started', async () => {
    const front = stage.front({
      engine: { link: 'socket', tcp: { endpoint: 'tcp://127.0.0.1:1', key: 'none' } },
    });
    expect(await front.exited).toBe(1);
    expect(front.lines.at(-1)).toMatchObject({ failed: 'ENGINE_UNAVAILABLE' });
    expect(front.lines.at(-1)?.message).toContain('ended at once (code 1)');
  }, 60_000);
});

describe('versions', () => {
  it('replaces an older engine that nobody needs', async () => {
    const old = stage.engine({ version: '1.0.0' });
    await stage.ready(old);
    const front = stage.front({ version: '1.1.0' });
    const pid = await stage.joined(front);
    expect(pid).not.toBe(old.pid);
    expect(front.lines.find((line) => line.joined)?.version).toBe('1.1.0');
    expect(await old.exited).toBe(0);
  }, 60_000);

  it('joins an older engine that is busy, and a newer one, and names the difference', async () => {
    const old = stage.engine({ version: '1.0.0', busy: true });
    await stage.ready(old);
    for (const version of ['1.1.0', '0.9.0']) {
      const front = stage.front({ version });
      expect(await stage.joined(front)).toBe(old.pid);
      expect(front.lines.find((line) => line.difference)?.difference).toEqual(['1.0.0', version]);
    }
    expect(isAlive(old.pid)).toBe(true);
  }, 60_000);

  it('names one of another protocol, and stops it when told to', async () => {
    const dist = join(stage.home, 'older', 'dist');
    cpSync(join(project, 'dist'), dist, { recursive: true });
    symlinkSync(join(project, 'node_modules'), join(stage.home, 'older', 'node_modules'));
    cpSync(join(project, 'package.json'), join(stage.home, 'older', 'package.json'));
    const frames = join(dist, 'wire', 'frames.js');
    const text = readFileSync(frames, 'utf8');
    const older = text.replace(/PROTOCOL_VERSION = \d+/, 'PROTOCOL_VERSION = 0');
    expect(older).not.toBe(text);
    writeFileSync(frames, older);
    const old = stage.engine({ version: '0.0.1' }, dist);
    await stage.ready(old);

    const front = stage.front();
    expect(await front.exited).toBe(1);
    expect(front.lines.at(-1)?.message).toContain('The engine 0.0.1 speaks protocol 0');
    const engine = async (what: string) => {
      const env = { PATH: process.env['PATH'], HOME: stage.home, MCP_RUNTIME_HOME: stage.home };
      const run = promisify(execFile)(process.execPath, [bin, 'engine', what, '--json'], { env });
      return JSON.parse((await run).stdout) as object;
    };
    const facts = { pid: old.pid, version: '0.0.1' };
    expect(await engine('status')).toEqual({ running: true, joinable: false, engine: facts });
    expect(await engine('stop')).toEqual({ stopped: true, pid: old.pid });
    expect(await old.exited).toBe(0);
    expect(await engine('status')).toEqual({ running: false });
  }, 60_000);
});

describe('the directory', () => {
  it('is refused when it is a link, a file, or not to be written', async () => {
    const linked = join(stage.home, 'linked');
    mkdirSync(join(stage.home, 'elsewhere'));
    symlinkSync(join(stage.home, 'elsewhere'), linked);
    await expect(openEngineDirectory({ home: linked })).rejects.toMatchObject({ code: 'HOME_UNUSABLE' });
    const inner = join(stage.home, 'inner');
    mkdirSync(inner);
    symlinkSync(join(stage.home, 'elsewhere'), join(inner, 'engine'));
    await expect(openEngineDirectory({ home: inner })).rejects.toThrow('symbolic link');
    expect(readdirSync(join(stage.home, 'elsewhere'))).toEqual([]);
    const file = join(stage.home, 'file');
    writeFileSync(file, '');
    await expect(openEngineDirectory({ home: file })).rejects.toMatchObject({ code: 'HOME_UNUSABLE' });
    await expect(openEngineDirectory({ home: join(file, 'x') })).rejects.toMatchObject({
      code: 'HOME_UNUSABLE',
    });
  });

  it('is closed to others even when it was open before', async () => {
    const home = join(stage.home, 'open');
    mkdirSync(join(home, 'engine'), { recursive: true });
    chmodSync(join(home, 'engine'), 0o777);
    await openEngineDirectory({ home });
    expect(statSync(join(home, 'engine')).mode & 0o777).toBe(0o700);
  });

  it('puts sockets elsewhere when the path is too long, the same for all who ask', async () => {
    const home = join(stage.home, 'x'.repeat(60), 'y'.repeat(60));
    const directory = await openEngineDirectory({ home });
    const path = directory.socketPath('zeromq');
    expect(Buffer.byteLength(path)).toBeLessThan(100);
    expect(path.startsWith(home)).toBe(false);
    expect(directory.lockPath.startsWith(home)).toBe(true);
    const place = join(path, '..');
    expect(statSync(place).mode & 0o777).toBe(0o700);
    expect(join((await openEngineDirectory({ home })).socketPath('socket'), '..')).toBe(place);
    expect(existsSync(path)).toBe(false);
    rmSync(place, { recursive: true });
  });
});
