import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { eventually, hostile, isAlive } from '../support/processes.js';
import { bin, good, node, textOf, workplace } from '../support/runtime.js';

interface Status {
  engine: { pid: number };
  clients: { id: string; name: string }[];
}

describe('one engine for all clients', () => {
  const at = workplace({ engine: 'shared' });

  const enginePid = async (): Promise<number> =>
    ((await at().command('engine', 'status')) as unknown as Status).engine.pid;

  it('twenty front-ends starting at once share one engine and one process of each server', async () => {
    at().servers({ a: good(), b: good() });
    const clients = await Promise.all(
      Array.from({ length: 20 }, (_, index) => at().client({ name: `window ${index}` })),
    );
    const pids = await Promise.all(
      clients.map(async (client, index) => {
        expect(textOf(await client.execute('a', 'echo', { text: `n${index}` }))).toBe(`n${index}`);
        return `${textOf(await client.execute('a', 'pid'))} ${textOf(await client.execute('b', 'pid'))}`;
      }),
    );
    expect(new Set(pids).size).toBe(1);
    const status = (await at().command('ps')) as unknown as Status;
    expect(status.clients.map((client) => client.name).sort()).toEqual(
      clients.map((_, index) => `window ${index}`).sort(),
    );
  }, 90_000);

  it('an engine whose home was cleared and that has a successor ends with its last client', async () => {
    at().servers({ good: good() });
    const first = await at().client();
    const server = Number(textOf(await first.execute('good', 'pid')));
    const before = await enginePid();
    // Stopped, so that it cannot say again where it is before the other is there.
    process.kill(before, 'SIGSTOP');
    rmSync(at().home, { recursive: true });
    const second = await at().client();
    expect(textOf(await second.execute('good', 'echo', { text: 'two' }))).toBe('two');
    process.kill(before, 'SIGCONT');
    expect(await enginePid()).not.toBe(before);
    expect(Number(textOf(await first.execute('good', 'pid')))).toBe(server);
    await first.close();
    await eventually(() => !isAlive(before) && !isAlive(server), 20_000);
    expect(textOf(await second.execute('good', 'echo', { text: 'still' }))).toBe('still');
  }, 60_000);

  it('a restarted window finds the task and the content of the old one', async () => {
    at().servers({ good: good() });
    const first = await at().client();
    const { structuredContent } = await first.execute(
      'good',
      'sleep',
      { ms: 1_500 },
      { in_background: true },
    );
    const large = textOf(await first.execute('good', 'blob', { bytes: 400_000 }));
    const ref_id = /\[Reference: ([0-9a-f-]{36})\]/.exec(large)?.[1];
    await first.close();
    const second = await at().client();
    const done = await second.call('poll_task_result', { task_id: structuredContent.task_id, wait: 20 });
    expect(done.structuredContent.status).toBe('completed');
    expect(textOf(await second.call('get_content', { ref_id, chunk_index: 0 }))).toContain('[Chunk 1/');
    expect((await second.call('list_tasks')).structuredContent.total).toBe(0);
    expect((await second.call('list_tasks', { all: true })).structuredContent.total).toBe(1);
  }, 60_000);

  it('a killed engine is an error at once for who waits, and the next call finds a new one; nothing is left', async () => {
    at().servers({ hang: node(hostile('hang-on-call')), stubborn: node(hostile('ignores-sigterm')) });
    const client = await at().client();
    await client.execute('stubborn', 'echo', { text: 'up' });
    const waiting = client.execute('hang', 'hang');
    await eventually(() => at().events('hang', 'hanging').length === 1);
    const before = await enginePid();
    process.kill(before, 'SIGKILL');
    const lost = await waiting;
    expect(lost.isError).toBe(true);
    expect(lost.structuredContent.error.code).toBe('OUTCOME_UNKNOWN');
    expect(textOf(await client.execute('hang', 'echo', { text: 'back' }))).toBe('back');
    expect(await enginePid()).not.toBe(before);
    // What the killed engine left behind is swept by the next one.
    const pids = new Set(
      at()
        .events('stubborn')
        .map((event) => event.pid),
    );
    await eventually(() => [...pids].every((pid) => !isAlive(pid)), 10_000);
  }, 60_000);

  it('a front-end that is killed has its calls withdrawn upstream; the others go on', async () => {
    at().servers({ hang: node(hostile('hang-on-call')) });
    const [victim, other] = await Promise.all([at().client(), at().client()]);
    const gone = victim.execute('hang', 'hang').catch(() => 'gone');
    await eventually(() => at().events('hang', 'hanging').length === 1);
    process.kill(victim.pid, 'SIGKILL');
    await eventually(() => at().events('hang', 'cancelled').length === 1, 15_000);
    expect(await gone).toBe('gone');
    expect(textOf(await other.execute('hang', 'echo', { text: 'fine' }))).toBe('fine');
  }, 60_000);

  it('stops servers when no client is left, and ends when unused', async () => {
    at().servers({ good: good() });
    const client = await at().client({ env: { ENGINE_IDLE_TIMEOUT: '3' } });
    const server = Number(textOf(await client.execute('good', 'pid')));
    const engine = await enginePid();
    await client.close();
    await eventually(() => !isAlive(server), 10_000);
    await eventually(() => !isAlive(engine), 10_000);
  }, 60_000);

  it('gives each client its own process of a per-client server', async () => {
    at().servers({ own: { ...good(), sharing: 'per-client' } });
    const [a, b] = await Promise.all([at().client(), at().client()]);
    const [pidA, pidB] = [textOf(await a.execute('own', 'pid')), textOf(await b.execute('own', 'pid'))];
    expect(pidA).not.toBe(pidB);
    await a.close();
    await eventually(() => !isAlive(Number(pidA)), 10_000);
    expect(textOf(await b.execute('own', 'pid'))).toBe(pidB);
  }, 60_000);

  it('drains on stop: a running call ends well, a new one is refused or served by the next engine', async () => {
    at().servers({ good: good() });
    const client = await at().client();
    await client.execute('good', 'echo', { text: 'warm' });
    const running = client.execute('good', 'sleep', { ms: 1_000 });
    await eventually(
      () =>
        at()
          .events('good', 'recv')
          .filter((event) => event['method'] === 'tools/call').length === 2,
    );
    await at().command('engine', 'stop');
    expect((await running).isError).not.toBe(true);
    expect(textOf(await client.execute('good', 'echo', { text: 'next' }))).toBe('next');
  }, 60_000);

  it('one that ends lets its successor in when nothing of it is left, and leaves it its address', async () => {
    at().servers({ stubborn: node(hostile('ignores-sigterm')) });
    const client = await at().client();
    await client.execute('stubborn', 'echo', { text: 'up' });
    const before = await enginePid();
    const started = () =>
      at()
        .events('stubborn', 'start')
        .map((event) => event.pid);
    const old = started();
    process.kill(before, 'SIGTERM');
    // A call may come before the signal does.
    await eventually(async () => {
      await client.execute('stubborn', 'echo', { text: 'next' });
      return started().length > old.length;
    }, 30_000);
    // Where the next engine starts the same server, that of the old one is gone.
    expect(old.filter(isAlive)).toEqual([]);
    expect(isAlive(before)).toBe(false);
    expect(await enginePid()).not.toBe(before);
  }, 60_000);

  // As in a container whose first process takes no note of those that end.
  it.skipIf(process.platform !== 'linux')(
    'stop sees the end of one that its parent leaves a zombie',
    async () => {
      at().servers({});
      const start = `require('node:child_process').spawn(process.execPath, process.argv.slice(1), { stdio: 'ignore' });
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);`;
      const env = { ...process.env, ...at().env };
      const parent = spawn(process.execPath, ['-e', start, '--', bin, 'engine', 'run'], {
        env,
        stdio: 'ignore',
      });
      try {
        await eventually(async () => (await at().command('engine', 'status'))['running'] === true, 20_000);
        const pid = await enginePid();
        expect(await at().command('engine', 'stop')).toMatchObject({ exitCode: 0, stopped: true, pid });
        expect(readFileSync(`/proc/${pid}/stat`, 'utf8')).toMatch(/\) Z /);
      } finally {
        parent.kill('SIGKILL');
      }
    },
    60_000,
  );

  it.skipIf(process.platform === 'win32')(
    'UPG-01: a home that cannot be used is said, and the client is served all the same',
    async () => {
      at().servers({ good: good() });
      mkdirSync(join(at().folder, 'elsewhere'));
      symlinkSync(join(at().folder, 'elsewhere'), at().home);
      const client = await at().client();
      expect(textOf(await client.execute('good', 'echo', { text: 'served' }))).toBe('served');
      const { problems } = (await client.call('list_servers')).structuredContent;
      expect(problems.join()).toMatch(/symbolic link/);
      chmodSync(join(at().folder, 'elsewhere'), 0o700);
    },
    60_000,
  );
});
