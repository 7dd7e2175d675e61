import { describe, expect, it } from 'vitest';
import { eventually, hostile } from '../support/processes.js';
import { good, node, textOf, workplace } from '../support/runtime.js';

describe('a call that outlasts BACKGROUND_AFTER', () => {
  const at = workplace();
  const slow = { ms: 1_600, steps: 8 };

  it('BGT-07: goes on as a task: one call upstream, the same result for whoever polls, progress kept', async () => {
    at().servers({ good: good() });
    const client = await at().client({ env: { BACKGROUND_AFTER: '1' } });
    await client.learnt();
    const answer = await client.execute('good', 'sleep', { ...slow, key: 'k' });
    expect(answer.structuredContent).toMatchObject({ status: 'running', after: 1 });
    expect(textOf(answer)).toMatch(/longer than 1 s; it goes on as task .*\nNext: poll_task_result/);
    const { task_id } = answer.structuredContent;
    const running = await client.call('poll_task_result', { task_id });
    expect(running.structuredContent).toMatchObject({ status: 'running', progress: { total: 8 } });
    const done = await client.call('poll_task_result', { task_id, wait: 20 });
    expect(done.structuredContent).toMatchObject({ task_id, status: 'completed' });
    expect(textOf(done)).toContain('slept 1600 ms');
    expect(await client.call('poll_task_result', { task_id })).toEqual(done);
    expect(at().events('good', 'done')).toHaveLength(1);
    expect((await client.call('list_tasks')).structuredContent.tasks).toMatchObject([
      { task_id, server: 'good', tool: 'sleep', status: 'completed' },
    ]);
    // A quick one stays what it was.
    expect(textOf(await client.execute('good', 'echo', { text: 'quick' }))).toBe('quick');
  }, 30_000);

  it('BGT-08: a cancel reaches the server, a failure is told, and workers stay free for others', async () => {
    at().servers({ good: good(), mortal: good() });
    const env = { BACKGROUND_AFTER: '1', BACKGROUND_QUEUE_MAX_SUBSCRIBERS: '1' };
    const client = await at().client({ env });
    await client.learnt();
    const [hanging, failing] = await Promise.all([
      client.execute('good', 'sleep', { ms: 60_000, steps: 1 }),
      client.execute('mortal', 'sleep', { ms: 60_000, steps: 1 }),
    ]);
    const queued = await client.execute('good', 'echo', { text: 'other' }, { in_background: true });
    const other = await client.call('poll_task_result', { ...idOf(queued), wait: 20 });
    expect(textOf(other)).toContain('other');

    const cancelled = await client.call('cancel_task', idOf(hanging));
    expect(cancelled.structuredContent).toMatchObject({ status: 'cancelled', cancelled: true });
    await eventually(() => at().events('good', 'cancelled').length === 1);

    await client.execute('mortal', 'die');
    const failed = await client.call('poll_task_result', { ...idOf(failing), wait: 20 });
    expect(failed.isError).toBe(true);
    expect(failed.structuredContent).toMatchObject({ status: 'failed', error: { code: 'SERVER_DIED' } });
  }, 30_000);
});

describe('tasks of a server that cannot run', () => {
  const at = workplace();

  it('BGT-04: those that wait end with its reason as soon as it has failed', async () => {
    at().servers({ bad: { ...node(hostile('hang-on-initialize')), timeout: 2, restart: 'never' } });
    const client = await at().client({ env: { BACKGROUND_QUEUE_MAX_SUBSCRIBERS: '2' } });
    // One worker is the server's cap, so the rest wait.
    const tasks = await Promise.all(
      Array.from({ length: 6 }, () => client.execute('bad', 'anything', {}, { in_background: true })),
    );
    for (const task of tasks) {
      const end = await client.call('poll_task_result', { ...idOf(task), wait: 20 });
      expect(end.structuredContent).toMatchObject({ status: 'failed' });
      expect(textOf(end)).toMatch(/"bad"/);
    }
  }, 30_000);
});

const idOf = (answer: { structuredContent: { task_id: string } }) => ({
  task_id: answer.structuredContent.task_id,
});
