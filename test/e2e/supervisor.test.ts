import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ServerDefinition } from '../../src/core/server.js';
import type { Supervisor } from '../../src/engine/supervisor.js';
import { eventually, fixture, hostile, isAlive } from '../support/processes.js';
import { type Supervision, supervision } from '../support/supervision.js';
import { within } from '../support/upstream.js';

const good = fixture('good-server.mjs');
const me = { clientId: 'me' };
const open = () => new AbortController().signal;

describe('Supervisor', () => {
  const at = supervision();
  const server: Supervision['server'] = (...args) => at().server(...args);
  const starts: Supervision['starts'] = (name) => at().starts(name);
  let supervisor: Supervisor;

  async function supervise(definitions: ServerDefinition[], maxRunning = 50): Promise<void> {
    at().maxRunning = maxRunning;
    supervisor = at().supervisor;
    await supervisor.setDefinitions(definitions, new Set());
  }

  const echo = async (name: string, text: string, tenant = me) => {
    using lease = await supervisor.lease(name, tenant, open());
    return (await lease.session.callTool('echo', { text }, within())).value.content?.[0]?.['text'];
  };

  it('LIF-03: twenty who want it at once share one start, and all are answered', async () => {
    await supervise([server('slow', hostile('slow-start'), ['400'])]);
    const answers = await Promise.all(Array.from({ length: 20 }, (_, index) => echo('slow', `n${index}`)));
    expect(answers).toEqual(Array.from({ length: 20 }, (_, index) => `n${index}`));
    expect(starts('slow')).toBe(1);
  });

  it('a caller that leaves during the start takes nothing from the others', async () => {
    await supervise([server('slow', hostile('slow-start'), ['500'])]);
    const impatient = new AbortController();
    const left = supervisor.lease('slow', me, impatient.signal);
    const stays = echo('slow', 'still here');
    impatient.abort(new Error('left'));
    await expect(left).rejects.toThrow('left');
    expect(await stays).toBe('still here');
    expect(starts('slow')).toBe(1);
  });

  it('LIF-02: a missing command fails once, is not tried again by calls, and again when asked', async () => {
    await supervise([server('gone', good, [], { command: join(at().folder, 'no-such-program') })]);
    await expect(echo('gone', 'x')).rejects.toMatchObject({ code: 'SERVER_START_FAILED' });
    await expect(echo('gone', 'x')).rejects.toMatchObject({ hint: expect.stringContaining('manage_server') });
    expect(at().states.filter(({ state }) => state.status === 'starting')).toHaveLength(1);
    await expect(supervisor.start('gone', me, open())).rejects.toMatchObject({ code: 'SERVER_START_FAILED' });
    expect(at().states.filter(({ state }) => state.status === 'starting')).toHaveLength(2);
  });

  it.each(['exit', 'clean', 'throw', 'abort', 'segv', 'kill'])(
    'LIF-04: the call after a crash (%s) starts it again',
    async (how) => {
      await supervise([server('crash', hostile('crash-on-call'))]);
      using lease = await supervisor.lease('crash', me, open());
      await expect(lease.session.callTool('crash', { how }, within())).rejects.toMatchObject({
        code: 'SERVER_DIED',
      });
      expect(await echo('crash', 'back')).toBe('back');
      expect(starts('crash')).toBe(2);
    },
  );

  it('LIF-05: a server that keeps dying is given up, says so at once, and runs when asked for', async () => {
    await supervise([server('loop', hostile('crash-loop'), ['60'])]);
    const problems: string[] = [];
    await eventually(async () => {
      await echo('loop', 'x').catch((error: { code: string }) => problems.push(error.code));
      await new Promise((resolve) => setTimeout(resolve, 80));
      return supervisor.state('loop').status === 'failed';
    }, 20_000);
    const before = starts('loop');
    expect(before).toBe(6);
    await expect(echo('loop', 'x')).rejects.toMatchObject({
      code: 'SERVER_START_FAILED',
      message: expect.stringContaining('failed'),
    });
    expect(starts('loop')).toBe(before);
    await supervisor.start('loop', me, open());
    expect(starts('loop')).toBe(before + 1);
  });

  it('a stop lets a running call finish, and a start during the stop waits for its end', async () => {
    await supervise([server('good')]);
    using lease = await supervisor.lease('good', me, open());
    const call = lease.session.callTool('sleep', { ms: 300 }, within());
    const stopped = supervisor.stop('good');
    const again = echo('good', 'again');
    expect((await call).value.isError).not.toBe(true);
    lease[Symbol.dispose]();
    await stopped;
    expect(await again).toBe('again');
    expect(starts('good')).toBe(2);
  });

  it('stops an idle server after its time, and not one in use', async () => {
    await supervise([server('good', good, [], { idleTimeoutMs: 300 })]);
    {
      using lease = await supervisor.lease('good', me, open());
      await new Promise((resolve) => setTimeout(resolve, 500));
      expect(supervisor.state('good').status).toBe('ready');
      expect(lease.session.pid).toBeGreaterThan(0);
    }
    await eventually(() => supervisor.state('good').status === 'stopped');
  });

  it('RES-04: makes room by stopping the least recently used idle server, never one in use', async () => {
    await supervise([server('a'), server('b'), server('c')], 2);
    using _inUse = await supervisor.lease('a', me, open());
    await echo('b', 'x');
    expect(await echo('c', 'x')).toBe('x');
    expect(supervisor.running().map((one) => one.server)).toEqual(['a', 'c']);
    using _alsoInUse = await supervisor.lease('c', me, open());
    await expect(echo('b', 'x')).rejects.toMatchObject({
      code: 'SERVER_START_FAILED',
      message: expect.stringContaining('in use'),
    });
  });

  it('starts a per-client server once for each client and ends it when the client leaves', async () => {
    await supervise([server('own', good, [], { sharing: 'per-client' })]);
    const [first, second] = [{ clientId: 'one' }, { clientId: 'two' }];
    await Promise.all([echo('own', 'x', first), echo('own', 'x', second), echo('own', 'x', first)]);
    expect(starts('own')).toBe(2);
    const pid = supervisor.running().find((one) => one.clientId === 'one')?.pid ?? 0;
    await supervisor.release('one');
    expect(isAlive(pid)).toBe(false);
    expect(supervisor.running().map((one) => one.clientId)).toEqual(['two']);
  });

  it('keeps calls above maxConcurrency waiting in their order', async () => {
    await supervise([server('good', good, [], { maxConcurrency: 2 })]);
    const order: number[] = [];
    await Promise.all(
      [0, 1, 2, 3, 4, 5].map(async (index) => {
        using lease = await supervisor.lease('good', me, open());
        expect(supervisor.running()[0]?.inFlight).toBeLessThanOrEqual(2);
        await lease.session.callTool('sleep', { ms: 30 }, within());
        order.push(index);
      }),
    );
    expect(order.slice().sort()).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it('a changed definition drains and restarts only that server; a removed one ends', async () => {
    const [a, b, c] = [server('a'), server('b'), server('c')];
    await supervise([a, b, c]);
    for (const name of ['a', 'b', 'c']) await echo(name, 'x');
    const pidOfA = supervisor.running().find((one) => one.server === 'a')?.pid;
    await supervisor.setDefinitions([a, { ...b, args: [...b.args, 'stdio'] }], new Set(['b']));
    expect(supervisor.running().map((one) => one.server)).toEqual(['a']);
    expect(await echo('b', 'new')).toBe('new');
    expect(supervisor.running().find((one) => one.server === 'a')?.pid).toBe(pidOfA);
    await expect(echo('c', 'x')).rejects.toMatchObject({ code: 'SERVER_NOT_FOUND' });
  });

  it('LIF-01: one that hangs at its start delays nobody', async () => {
    await supervise([
      server('hang', hostile('hang-on-initialize'), [], { startTimeoutMs: 1_500 }),
      server('a'),
      server('b'),
    ]);
    const hung = echo('hang', 'x');
    hung.catch(() => {});
    expect(await Promise.all([echo('a', '1'), echo('b', '2')])).toEqual(['1', '2']);
    expect(supervisor.state('hang').status).toBe('starting');
    await expect(hung).rejects.toMatchObject({
      code: 'SERVER_START_FAILED',
      message: expect.stringContaining('initialize'),
    });
  });
});
