import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Task } from '../core/task.js';

/** Rounds of the crash test; the full proof takes 1,000. */
const ROUNDS = Number(process.env['CRASH_ROUNDS'] ?? 8);

/**
 * An engine that submits tasks and runs them until it is killed. Before a call has its effect it is written to the log
 * (one `write`, which a kill of the process cannot undo), and an id only after it was given out.
 */
const engine = `
import { TaskQueue } from './dist/tasks/task-queue.js';
import { Payload } from './dist/core/payload.js';
import { appendFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
const [home, mode] = process.argv.slice(2);
const note = (line) => appendFileSync(home + '/log', line + '\\n');
const run = async (spec, context) => {
  note('ran ' + spec.arguments.key + ' ' + context.taskId);
  if (spec.tool === 'poison') process.kill(process.pid, 'SIGKILL');
  await sleep(Math.random() * 20);
  const length = Math.random() < 0.1 ? 400_000 : 10;
  return Payload.fromValue({ content: [{ type: 'text', text: spec.arguments.key + 'x'.repeat(length) }] });
};
const queue = await TaskQueue.open({ database: home + '/a.db', directory: home + '/results', run, workers: 5, size: 200 });
queue.recover();
const submit = (more) => {
  if (queue.statistics().queued >= 150) return;
  const key = Math.random().toString(36).slice(2);
  const task = queue.submit({ principal: 'ann', clientId: 'c', server: 's' + key.length, tool: 't', arguments: { key },
    priority: Math.floor(Math.random() * 3), timeoutMs: 60_000, idempotent: false, maxPerServer: 5, ...more });
  note('accepted ' + key + ' ' + task.id + ' ' + (more.idempotent ?? false));
};
if (mode === 'poison') queue.submit({ principal: 'ann', clientId: 'c', server: 'p', arguments: { key: 'p' }, timeoutMs: 60_000, tool: 'poison', idempotent: true, priority: -1 });
if (mode === 'work' || mode === 'poison') for (let n = 0; n < 50; n += 1) submit({ idempotent: n % 4 === 0 });
process.stdout.write('working');
if (mode === 'work') for (;;) {
  await sleep(Math.random() * 5);
  submit({});
}
if (mode === 'finish') {
  for (;;) {
    const { queued, running } = queue.statistics();
    if (queued + running === 0) break;
    await sleep(20);
  }
  const { tasks } = queue.list('ann', { limit: 1_000_000, offset: 0 });
  const full = [];
  for (const { id } of tasks) {
    const { result, ...task } = await queue.get('ann', id);
    full.push({ ...task, head: result?.value.content[0].text.slice(0, 20) });
  }
  (await import('node:fs')).writeFileSync(home + '/tasks.json', JSON.stringify(full));
  await queue.close();
} else await sleep(60_000);
`;

describe.skipIf(process.platform === 'win32')('tasks across crashes', () => {
  const source = dirname(fileURLToPath(import.meta.url));
  const repo = resolve(source, '../..');
  let home = '';

  // Node 20 does not run TypeScript, and a queue can only be killed in a process of its own.
  beforeAll(() => {
    home = mkdtempSync(join(tmpdir(), 'mcprt-crash-'));
    symlinkSync(join(repo, 'node_modules'), join(home, 'node_modules'));
    writeFileSync(join(home, 'package.json'), '{"type":"module"}');
    writeFileSync(join(home, 'engine.mjs'), engine);
    writeFileSync(join(home, 'log'), '');
    const compilerOptions = {
      noEmit: false,
      rootDir: join(repo, 'src'),
      outDir: join(home, 'dist'),
      typeRoots: [join(repo, 'node_modules/@types')],
    };
    const config = {
      extends: join(repo, 'tsconfig.json'),
      compilerOptions,
      include: [],
      files: [join(source, 'task-queue.ts')],
    };
    writeFileSync(join(home, 'tsconfig.json'), JSON.stringify(config));
    const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');
    execFileSync(process.execPath, [tsc, '-p', join(home, 'tsconfig.json')], { stdio: 'inherit' });
  });
  afterAll(() => rmSync(home, { recursive: true, force: true }));

  const runUntil = async (mode: string, killAfterMs?: number) => {
    const child = spawn(process.execPath, [join(home, 'engine.mjs'), home, mode], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = new Promise<NodeJS.Signals | null>((done) =>
      child.once('exit', (_code, signal) => done(signal)),
    );
    await Promise.race([ended, new Promise((ready) => child.stdout.once('data', ready))]);
    if (killAfterMs !== undefined) setTimeout(() => child.kill('SIGKILL'), killAfterMs);
    return await ended;
  };

  it(`BGT-02: killed ${ROUNDS} times: queued tasks run exactly once, none is lost, none ends twice`, async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      if (round === Math.floor(ROUNDS / 2)) expect(await runUntil('poison')).toBe('SIGKILL');
      await runUntil('work', Math.random() * 150);
    }
    expect(await runUntil('finish')).toBeNull();

    const log = readFileSync(join(home, 'log'), 'utf8').split('\n');
    const effects = new Map<string, number>();
    for (const line of log.filter((text) => text.startsWith('ran '))) {
      const id = line.split(' ')[2] ?? '';
      effects.set(id, (effects.get(id) ?? 0) + 1);
    }
    const accepted = log.filter((line) => line.startsWith('accepted ')).map((line) => line.split(' '));
    const tasks = JSON.parse(readFileSync(join(home, 'tasks.json'), 'utf8')) as (Task & { head?: string })[];
    const byId = new Map(tasks.map((task) => [task.id, task]));
    let interrupted = 0;
    for (const [, key = '', id = '', idempotent] of accepted) {
      const task = byId.get(id);
      const ran = effects.get(id) ?? 0;
      expect(task, `task ${id} was lost`).toBeDefined();
      if (task?.status === 'completed') {
        expect(task.head?.startsWith(key)).toBe(true);
        if (idempotent === 'true') expect(ran).toBeGreaterThanOrEqual(1);
        else expect(ran, `task ${id} ran ${ran} times`).toBe(1);
      } else {
        interrupted += 1;
        expect(task).toMatchObject({ status: 'failed', error: { code: 'OUTCOME_UNKNOWN' } });
        expect(ran).toBeLessThanOrEqual(idempotent === 'true' ? 2 : 1);
      }
    }
    // At most the five that ran can be interrupted by each kill.
    expect(interrupted).toBeLessThanOrEqual((ROUNDS + 2) * 5);
    const poison = tasks.filter(({ tool }) => tool === 'poison');
    expect(poison).toHaveLength(1);
    expect(poison[0]).toMatchObject({
      status: 'failed',
      error: { data: { reason: 'poisoned', attempts: 2 } },
    });
    expect(accepted.length).toBeGreaterThan(ROUNDS * 2);
  }, 3_600_000);
});
