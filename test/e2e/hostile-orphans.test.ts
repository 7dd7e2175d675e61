import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { endLeftovers } from '../../src/cli/leftovers.js';
import { MARKER } from '../../src/cli/marker.js';
import { silentLogger } from '../../src/lib/log.js';
import { isOwnerGone, ownerMark, sweepOrphans } from '../../src/upstream/stdio/orphans.js';
import { eventually, fixture, hostile, isAlive, pidsWith, uniqueMarker } from '../support/processes.js';

const name = uniqueMarker().name;
const started: number[] = [];
afterEach(() => {
  for (const pid of started.splice(0)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // gone, as it should be
    }
  }
});

/** Stands for an engine: starts what it is told with its own mark, tells the pids, and waits. */
const ownerScript = `
  const { spawn } = require('node:child_process');
  const { readFileSync } = require('node:fs');
  const [name, id, ...files] = process.argv.slice(1);
  const stat = readFileSync('/proc/self/stat', 'latin1');
  const startedAt = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  const env = { PATH: process.env.PATH, [name]: id + ':' + process.pid + ':' + startedAt + '/x' };
  const pids = files.map((file) => {
    const [path, ...args] = file.split(' ');
    return spawn(process.execPath, [path, ...args], { env, detached: true, stdio: ['pipe', 'ignore', 'ignore'] }).pid;
  });
  console.log(JSON.stringify(pids));
  setInterval(() => {}, 1 << 30);`;

async function owner(
  id: string,
  files: readonly string[],
  marker = name,
): Promise<{ child: ChildProcess; pids: number[] }> {
  const child = spawn(process.execPath, ['-e', ownerScript, marker, id, ...files], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  started.push(child.pid ?? 0);
  let output = '';
  child.stdout?.on('data', (chunk) => {
    output += String(chunk);
  });
  const pids = JSON.parse(await eventually(() => (output.endsWith('\n') ? output : ''))) as number[];
  started.push(...pids);
  return { child, pids };
}

function killed(child: ChildProcess): Promise<unknown> {
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  return gone;
}

describe.runIf(process.platform === 'linux')('LIF-08 what a killed engine leaves behind', () => {
  it('is ended by the next one; what belongs to a living engine, or to nobody, is not', async () => {
    const stubborn = `${hostile('ignores-sigterm')}`;
    const dead = await owner('engine-1', [
      stubborn,
      stubborn,
      `${hostile('forks-grandchildren')} 2 detached`,
      fixture('good-server.mjs'),
    ]);
    const alive = await owner('engine-2', [stubborn]);
    const decoy = spawn(process.execPath, [stubborn], {
      env: { PATH: process.env['PATH'] ?? '' },
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    started.push(decoy.pid ?? 0);
    const mine = { name, value: '' };
    const ofDead = () => pidsWith({ ...mine, value: markOf(dead) });
    const markOf = ({ child }: typeof dead) => marks.get(child.pid ?? 0) ?? '';
    const marks = new Map<number, string>();
    for (const one of [dead, alive]) marks.set(one.child.pid ?? 0, await readMark(one.pids[0] ?? 0));
    // The helpers of helpers are up: four servers and two helpers.
    await eventually(() => ofDead().length === 6);
    const helpers = ofDead();
    started.push(...helpers);

    await killed(dead.child);
    // The good one sees the end of its input and goes by itself.
    await eventually(() => !isAlive(dead.pids[3] ?? 0));
    const ended = await sweepOrphans(name, { graceMs: 300 });

    expect(ended.sort()).toEqual(expect.arrayContaining([dead.pids[0], dead.pids[1]]));
    expect(helpers.filter(isAlive)).toEqual([]);
    expect(isAlive(alive.pids[0] ?? 0)).toBe(true);
    expect(isAlive(alive.child.pid ?? 0)).toBe(true);
    expect(isAlive(decoy.pid ?? 0)).toBe(true);
    expect(await sweepOrphans(name, { graceMs: 300 })).toEqual([]);
  });

  it('is gone before a server is started, and does not hold up those who follow an engine that ended in order', async () => {
    const mark = `h${randomUUID().slice(0, 8)}`;
    const options = { mark, containers: '/nowhere', environment: {}, logger: silentLogger };
    for (const before of ['killed', 'in order'] as const) {
      const dead = await owner(`${mark}.1`, [hostile('ignores-sigterm')], MARKER);
      const [left = 0] = dead.pids;
      await killed(dead.child);
      const leftovers = endLeftovers({ ...options, before });
      await leftovers.untilSafe;
      expect(isAlive(left)).toBe(before === 'in order');
      await eventually(() => !isAlive(left));
      leftovers.stop();
    }
  });

  it('tells a living owner from one whose pid was used again', async () => {
    const own = await ownerMark('me');
    expect(own).toMatch(/^me:\d+:\d+$/);
    expect(await isOwnerGone(own)).toBe(false);
    expect(await isOwnerGone(`${own}/abc`)).toBe(false);
    const [id, pid, startedAt] = own.split(':');
    expect(await isOwnerGone(`${id}:${pid}:${Number(startedAt) - 1}/abc`)).toBe(true);
    expect(await isOwnerGone(`${id}:4194399:1`)).toBe(true);
    for (const other of ['', 'test-1', 'a:b:c', '1:2']) expect(await isOwnerGone(other)).toBe(false);
    await expect(ownerMark('a:b')).rejects.toThrow(RangeError);
  });
});

async function readMark(pid: number): Promise<string> {
  const { readFileSync } = await import('node:fs');
  return eventually(() => {
    const entry = readFileSync(`/proc/${pid}/environ`, 'utf8')
      .split('\0')
      .find((one) => one.startsWith(`${name}=`));
    return entry?.slice(name.length + 1);
  });
}
