import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RuntimeError } from '../core/errors.js';
import { Payload } from '../core/payload.js';
import type { CallToolResult } from '../core/upstream.js';
import { openDatabase } from '../lib/sqlite.js';
import type { QueueOptions } from './queue-options.js';
import { TaskQueue } from './task-queue.js';
import type { RunContext, TaskSpec } from './task-spec.js';

const answer = (text: string) => Payload.fromValue<CallToolResult>({ content: [{ type: 'text', text }] });
const code = (name: string, more: object = {}) => expect.objectContaining({ code: name, ...more });
const unknown = code('TASK_NOT_FOUND', { data: { reason: 'unknown' } });

/** A run whose end is decided by the test. */
interface Running {
  readonly spec: TaskSpec;
  readonly context: RunContext;
  readonly finish: (payload: Payload<CallToolResult>) => void;
  readonly fail: (error: unknown) => void;
}

describe('TaskQueue', () => {
  let home = '';
  let now = 0;
  let started: Running[] = [];
  const opened: TaskQueue[] = [];

  const byHand = (spec: TaskSpec, context: RunContext) =>
    new Promise<Payload<CallToolResult>>((finish, fail) => started.push({ spec, context, finish, fail }));
  const obedient = (spec: TaskSpec, context: RunContext) =>
    new Promise<Payload<CallToolResult>>((finish, fail) => {
      started.push({ spec, context, finish, fail });
      context.signal.addEventListener('abort', () => fail(context.signal.reason), { once: true });
    });

  const open = async (options: Partial<QueueOptions> = {}, recover = true) => {
    const queue = await TaskQueue.open({
      database: join(home, 'runtime.db'),
      directory: join(home, 'results'),
      run: obedient,
      clock: () => now,
      graceMs: 0,
      ...options,
    });
    opened.push(queue);
    if (recover) queue.recover();
    return queue;
  };
  const spec = (more: Partial<TaskSpec> = {}): TaskSpec => ({
    principal: 'ann',
    clientId: 'c1',
    server: 's',
    tool: 't',
    arguments: { a: 1 },
    priority: 1,
    timeoutMs: 60_000,
    idempotent: false,
    ...more,
  });
  /** Runs start in microtasks, and results are written by the thread pool. */
  const settle = async (until: () => boolean | Promise<boolean>) => {
    while (!(await until())) await setImmediate();
  };
  const startedTools = () => started.map((run) => run.spec.tool);

  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'mcprt-tasks-'));
    now = 1_000_000;
    started = [];
  });
  afterEach(async () => {
    for (const queue of opened.splice(0)) await queue.close();
    rmSync(home, { recursive: true, force: true });
  });

  it('BGT-01: says queued with a place, running with progress, and the same result until it expires', async () => {
    const queue = await open({ workers: 1, ttlMs: 10_000 });
    const first = queue.submit(spec({ tool: 'first' }));
    const second = queue.submit(spec({ tool: 'second' }));
    const third = queue.submit(spec({ tool: 'third' }));
    expect([first.status, second.status, third.status]).toEqual(['running', 'queued', 'queued']);
    expect([second.position, third.position]).toEqual([1, 2]);
    await settle(() => started.length === 1);
    started[0]?.context.progress({ progress: 3, total: 7, message: 'third of seven' });
    expect(await queue.get('ann', first.id)).toMatchObject({
      status: 'running',
      progress: { progress: 3, total: 7 },
    });
    started[0]?.finish(answer('done'));
    const done = await queue.wait('ann', first.id, 10_000);
    expect(done.status).toBe('completed');
    const bytes = Buffer.from(done.result?.bytes ?? []);
    for (let poll = 0; poll < 10; poll += 1) {
      const again = await queue.get('ann', first.id);
      expect(Buffer.from(again.result?.bytes ?? []).equals(bytes)).toBe(true);
      expect({ ...again, result: undefined }).toEqual({ ...done, result: undefined });
    }
    expect((await queue.get('ann', third.id)).position).toBe(1);
    await expect(queue.get('bob', first.id)).rejects.toEqual(unknown);
    for (const id of ['', 'x', '../x', first.id.toUpperCase(), '00000000-0000-4000-8000-000000000000']) {
      await expect(queue.get('ann', id)).rejects.toEqual(unknown);
    }
    now += 10_000;
    const expired = code('TASK_NOT_FOUND', { data: { reason: 'expired' } });
    await expect(queue.get('ann', first.id)).rejects.toEqual(expired);
    await queue.sweep();
    await expect(queue.get('ann', first.id)).rejects.toEqual(expired);
    await expect(queue.get('bob', first.id)).rejects.toEqual(unknown);
    now += 8 * 24 * 3_600_000;
    await queue.sweep();
    await expect(queue.get('ann', first.id)).rejects.toEqual(unknown);
  });

  it('BGT-01: a large result is the same after a restart, and its file goes when it expires', async () => {
    const queue = await open({ ttlMs: 10_000 });
    const { id } = queue.submit(spec());
    await settle(() => started.length === 1);
    const large = answer('x'.repeat(2_000_000));
    started[0]?.finish(large);
    await queue.wait('ann', id, 10_000);
    await queue.close();
    writeFileSync(join(home, 'results', '.half.partial'), 'half');
    const again = await open({ ttlMs: 10_000 });
    expect(readdirSync(join(home, 'results'))).toEqual([`${id}.json`]);
    const { result } = await again.get('ann', id);
    expect(Buffer.from(result?.bytes ?? []).equals(Buffer.from(large.bytes))).toBe(true);
    now += 10_000;
    await again.sweep();
    expect(readdirSync(join(home, 'results'))).toEqual([]);
  });

  it('BGT-02: after a start queued tasks run once, interrupted ones fail or run again, and a poison one is given up', async () => {
    const before = await open({ workers: 2, run: byHand });
    const ran = before.submit(spec({ tool: 'ran', maxPerServer: 2 }));
    const safe = before.submit(spec({ tool: 'safe', idempotent: true, maxPerServer: 2 }));
    const waits = before.submit(spec({ tool: 'waits' }));
    await settle(() => started.length === 2);
    // A crash is a queue that is never closed: nothing of it is asked again.
    opened.pop();
    const second = await open({ workers: 1, run: byHand }, false);
    expect(second.recover()).toEqual({ queued: 2, interrupted: 1, poisoned: 0 });
    expect(second.recover()).toEqual({ queued: 0, interrupted: 0, poisoned: 0 });
    expect(await second.get('ann', ran.id)).toMatchObject({
      status: 'failed',
      error: { code: 'OUTCOME_UNKNOWN', message: expect.stringContaining('Interrupted, may have run') },
    });
    await settle(() => started.length === 3);
    expect(started[2]).toMatchObject({ spec: { tool: 'safe' }, context: { attempt: 2 } });
    opened.pop();
    const third = await open({ workers: 1 }, false);
    expect(third.recover()).toEqual({ queued: 1, interrupted: 0, poisoned: 1 });
    expect(await third.get('ann', safe.id)).toMatchObject({
      status: 'failed',
      error: { data: { reason: 'poisoned' } },
    });
    await settle(() => started.length === 4);
    started[3]?.finish(answer('at last'));
    expect((await third.wait('ann', waits.id, 10_000)).status).toBe('completed');
    expect(startedTools()).toEqual(['ran', 'safe', 'safe', 'waits']);
  });

  it('BGT-02: an orderly stop puts idempotent work back uncounted and says of the rest that it may have run', async () => {
    const queue = await open({ workers: 2 });
    const safe = queue.submit(spec({ idempotent: true, tool: 'safe', maxPerServer: 2 }));
    const other = queue.submit(spec({ tool: 'other', maxPerServer: 2 }));
    await settle(() => started.length === 2);
    expect(await queue.drain(0)).toBe(2);
    expect(() => queue.submit(spec())).toThrow(code('ENGINE_DRAINING'));
    await queue.close();
    expect(started.every((run) => run.context.signal.aborted)).toBe(true);
    await expect(queue.get('ann', safe.id)).rejects.toEqual(code('ENGINE_DRAINING'));
    const again = await open({ workers: 2 });
    expect(await again.get('ann', other.id)).toMatchObject({
      status: 'failed',
      error: { code: 'OUTCOME_UNKNOWN' },
    });
    await settle(() => started.length === 3);
    expect(started[2]?.context.attempt).toBe(1);
  });

  it('BGT-03: 1,000 tasks of 5 priorities start by priority and, among equals, in order of arrival', async () => {
    const queue = await open({ workers: 1, size: 1000, run: async (task, context) => byOne(task, context) });
    const order: { priority: number; n: number }[] = [];
    let gate: () => void = () => {};
    const opening = new Promise<void>((resolve) => {
      gate = resolve;
    });
    async function byOne(task: TaskSpec, _context: RunContext) {
      await opening;
      order.push({ priority: task.priority, n: Number(task.arguments['n']) });
      return answer('ok');
    }
    queue.submit(spec({ priority: -100, arguments: { n: -1 } }));
    for (let n = 0; n < 1000; n += 1) {
      queue.submit(
        spec({ priority: n % 5, arguments: n % 2 === 0 ? { n } : { n, extra: [{ deep: null }] } }),
      );
    }
    gate();
    await settle(() => order.length === 1001);
    const expected = order.slice(1).sort((a, b) => a.priority - b.priority || a.n - b.n);
    expect(order.slice(1)).toEqual(expected);
    await settle(() => queue.statistics().completed === 1001);
  });

  it('BGT-04: a full queue refuses at once and says when to come again', async () => {
    const queue = await open({ workers: 1, size: 3 });
    for (let n = 0; n < 4; n += 1) queue.submit(spec());
    expect(() => queue.submit(spec())).toThrow(
      code('QUEUE_FULL', {
        retryable: true,
        message: expect.stringMatching(/full \(3\); retry after \d+ s/),
      }),
    );
    expect(queue.statistics()).toMatchObject({ queued: 3, running: 1, size: 3, workers: 1 });
  });

  it('BGT-04: waiting tasks of a server that failed end with that reason; those of others stay', async () => {
    const queue = await open({ workers: 1 });
    queue.submit(spec({ server: 'dead' }));
    const waits = queue.submit(spec({ server: 'dead' }));
    const other = queue.submit(spec({ server: 'well' }));
    const why = new RuntimeError('SERVER_START_FAILED', 'dead exited with code 1.');
    expect(queue.failServer('dead', why)).toBe(1);
    expect(await queue.get('ann', waits.id)).toMatchObject({ status: 'failed', error: why.toJSON() });
    expect(await queue.get('ann', other.id)).toMatchObject({ status: 'queued', position: 1 });
  });

  it('BGT-05: cancel of a queued task: it never runs', async () => {
    const queue = await open({ workers: 1 });
    queue.submit(spec({ tool: 'first' }));
    const second = queue.submit(spec({ tool: 'second' }));
    await expect(queue.cancel('bob', second.id)).rejects.toEqual(unknown);
    expect((await queue.cancel('ann', second.id)).status).toBe('cancelled');
    expect((await queue.cancel('ann', second.id)).status).toBe('cancelled');
    await settle(() => started.length === 1);
    started[0]?.finish(answer('ok'));
    await settle(() => queue.statistics().running === 0);
    expect(startedTools()).toEqual(['first']);
  });

  it('BGT-05: cancel of a running task is passed on and stands, even when the call ends well after it', async () => {
    const queue = await open({ run: byHand, graceMs: 60_000 });
    const { id } = queue.submit(spec());
    await settle(() => started.length === 1);
    const waiting = queue.wait('ann', id, 60_000);
    expect((await queue.cancel('ann', id)).status).toBe('cancelled');
    expect((await waiting).status).toBe('cancelled');
    expect(started[0]?.context.signal.aborted).toBe(true);
    expect(started[0]?.context.signal.reason).toEqual(code('CANCELLED'));
    started[0]?.finish(answer('too late'));
    await settle(() => queue.statistics().running === 0);
    const task = await queue.get('ann', id);
    expect([task.status, task.result]).toEqual(['cancelled', undefined]);
  });

  it('BGT-05: a cancel that races the finish leaves one end, and done stays done', async () => {
    const queue = await open({ run: byHand, workers: 8, size: 200 });
    const ids = Array.from({ length: 100 }, () => queue.submit(spec({ maxPerServer: 8 })).id);
    const ends = new Map<string, Set<string>>();
    for (let index = 0; index < ids.length; index += 1) {
      await settle(() => started.length > index);
      const run = started[index] as Running;
      const { taskId } = run.context;
      const large = index % 10 === 0 ? 'x'.repeat(300_000) : 'ok';
      run.finish(answer(large));
      const step = index % 4;
      for (let tick = 0; tick < step; tick += 1) await Promise.resolve();
      const seen = new Set<string>();
      ends.set(taskId, seen.add((await queue.cancel('ann', taskId)).status));
      seen.add((await queue.wait('ann', taskId, 60_000)).status);
      seen.add((await queue.cancel('ann', taskId)).status);
    }
    for (const [id, seen] of ends) {
      expect([...seen], id).toHaveLength(1);
      expect(['completed', 'cancelled']).toContain([...seen][0]);
    }
    await settle(() => queue.statistics().running === 0);
    const kept = readdirSync(join(home, 'results')).length;
    let files = 0;
    for (const id of ids)
      files += ((await queue.get('ann', id)).result?.byteLength ?? 0) > 256 * 1024 ? 1 : 0;
    expect(kept).toBe(files);
  });

  it('BGT-05: a result that cannot be stored makes the task failed, not lost', async () => {
    const queue = await open();
    rmSync(join(home, 'results'), { recursive: true });
    const { id } = queue.submit(spec());
    await settle(() => started.length === 1);
    started[0]?.finish(answer('x'.repeat(300_000)));
    expect(await queue.wait('ann', id, 60_000)).toMatchObject({
      status: 'failed',
      error: { code: 'STORAGE_FAILED', message: expect.stringContaining('could not be stored') },
    });
  });

  it('BGT-05: an end that the database does not take holds meanwhile, and is written once it does', async () => {
    const queue = await open();
    const database = openDatabase(join(home, 'runtime.db'), 'test', []);
    const refuse = (which: string) =>
      database.run(
        `CREATE TRIGGER refuse BEFORE UPDATE ON tasks WHEN ${which} BEGIN SELECT RAISE(ABORT, 'no space'); END`,
      );
    refuse('NEW.ended_at IS NOT NULL');
    const first = queue.submit(spec());
    await settle(() => started.length === 1);
    started[0]?.finish(answer('ok'));
    const failed = {
      status: 'failed',
      error: { code: 'STORAGE_FAILED', message: expect.stringContaining('no space') },
    };
    expect(await queue.wait('ann', first.id, 60_000)).toMatchObject(failed);
    expect((await queue.cancel('ann', first.id)).status).toBe('failed');
    database.run('DROP TRIGGER refuse');
    await queue.sweep();
    refuse("NEW.status = 'running'");
    const second = queue.submit(spec());
    expect(second.status).toBe('queued');
    database.run('DROP TRIGGER refuse');
    database.close();
    await queue.close();
    const again = await open();
    expect(await again.get('ann', first.id)).toMatchObject(failed);
    await settle(() => started.length === 2);
    started[1]?.finish(answer('ran once'));
    expect((await again.wait('ann', second.id, 60_000)).status).toBe('completed');
  });

  it('BGT-06: a server that hangs leaves a worker to the others, and the deadline frees its workers', async () => {
    const hangs = (task: TaskSpec, context: RunContext) =>
      task.server === 'hangs' ? byHand(task, context) : Promise.resolve(answer('ok'));
    const queue = await open({ workers: 4, run: hangs, overrunMs: 0 });
    const stuck = Array.from({ length: 8 }, () => queue.submit(spec({ server: 'hangs', timeoutMs: 300 })));
    const healthy = Array.from({ length: 10 }, () => queue.submit(spec({ server: 'well' })));
    for (const { id } of healthy) expect((await queue.wait('ann', id, 60_000)).status).toBe('completed');
    expect(started.length).toBe(3);
    for (const { id } of stuck) {
      expect(await queue.wait('ann', id, 60_000)).toMatchObject({
        status: 'failed',
        error: { code: 'TIMEOUT' },
      });
    }
    expect(started.length).toBe(8);
  });

  it('a deadline that covers waiting ends a task that was never started', async () => {
    const queue = await open({ workers: 1, clock: Date.now });
    queue.submit(spec());
    const { id } = queue.submit(spec({ tool: 'late', timeoutMs: 20, countWaiting: true }));
    expect(await queue.wait('ann', id, 60_000)).toMatchObject({
      status: 'failed',
      error: { code: 'TIMEOUT', message: expect.stringContaining('never started') },
    });
    expect(startedTools()).toEqual(['t']);
  });

  it('stores what a run threw, and takes a result with isError as the result it is', async () => {
    const queue = await open();
    const [first, second, third] = [queue.submit(spec()), queue.submit(spec()), queue.submit(spec())];
    await settle(() => started.length === 3);
    const died = new RuntimeError('SERVER_DIED', 'gone', { hint: 'h', data: { exitCode: 1 } });
    started[0]?.fail(died);
    started[1]?.fail(new Error('oops'));
    started[2]?.finish(Payload.fromValue<CallToolResult>({ isError: true, content: [] }));
    expect((await queue.wait('ann', first.id, 60_000)).error).toEqual(died.toJSON());
    expect((await queue.wait('ann', second.id, 60_000)).error).toMatchObject({ code: 'INTERNAL' });
    const task = await queue.wait('ann', third.id, 60_000);
    expect([task.status, task.result?.value.isError]).toEqual(['completed', true]);
  });

  it('lists the own tasks, newest first, by client and by page, without results', async () => {
    const queue = await open();
    const ids = Array.from({ length: 5 }, (_, n) => queue.submit(spec({ clientId: n < 2 ? 'c1' : 'c2' })).id);
    queue.submit(spec({ principal: 'bob' }));
    const all = queue.list('ann', { limit: 10, offset: 0 });
    expect([all.total, all.tasks.map(({ id }) => id)]).toEqual([5, ids.toReversed()]);
    expect(queue.list('ann', { limit: 2, offset: 1 }).tasks.map(({ id }) => id)).toEqual([ids[3], ids[2]]);
    expect(queue.list('ann', { clientId: 'c1', limit: 10, offset: 0 })).toMatchObject({ total: 2 });
    expect(queue.list('carl', { limit: 10, offset: 0 })).toEqual({ tasks: [], total: 0 });
  });

  it('waits no longer than asked, ends the wait of a caller that leaves, and tells of every change', async () => {
    const queue = await open();
    const seen: string[] = [];
    queue.subscribe(
      (event) => event.type === 'task-changed' && seen.push(`${event.principal} ${event.taskId}`),
    );
    const { id } = queue.submit(spec());
    expect((await queue.wait('ann', id, 5)).status).toBe('running');
    const leaving = new AbortController();
    const wait = queue.wait('ann', id, 60_000, leaving.signal);
    leaving.abort(new RuntimeError('CANCELLED', 'left'));
    await expect(wait).rejects.toEqual(code('CANCELLED'));
    started[0]?.finish(answer('ok'));
    await queue.wait('ann', id, 60_000);
    expect(seen).toEqual(Array.from({ length: 3 }, () => `ann ${id}`));
  });

  it('ends a wait when the queue closes', async () => {
    const queue = await open({ workers: 1 });
    queue.submit(spec());
    const { id } = queue.submit(spec());
    const wait = queue.wait('ann', id, 60_000).then(
      (task) => task.status,
      (error: RuntimeError) => error.code,
    );
    await queue.close();
    expect(['queued', 'ENGINE_DRAINING']).toContain(await wait);
  });

  it('refuses options and tasks that make no sense, naming the value', async () => {
    await expect(open({ workers: 0 })).rejects.toThrow(/workers .* 0/);
    const queue = await open();
    expect(() => queue.submit(spec({ priority: 1.5 }))).toThrow(code('INVALID_ARGUMENTS'));
    expect(() => queue.submit(spec({ timeoutMs: 0 }))).toThrow(code('INVALID_ARGUMENTS'));
    expect(() => queue.submit(spec({ timeoutMs: Number.NaN }))).toThrow(code('INVALID_ARGUMENTS'));
  });
});
