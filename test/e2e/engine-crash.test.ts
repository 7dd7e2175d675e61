import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import type { RuntimePort } from '../../src/operations/table.js';
import { connectRuntime, type RemoteRuntime } from '../../src/wire/client.js';
import { readDescriptor } from '../../src/wire/engine-descriptor.js';
import { openEngineDirectory } from '../../src/wire/engine-directory.js';
import { linkTo } from '../../src/wire/link-address.js';
import { eventually, fixture } from '../support/processes.js';
import { bin, node, project, type Workplace, workplace } from '../support/runtime.js';

/** Rounds of the crash test; the full proof takes 1,000. */
const ROUNDS = Number(process.env['CRASH_ROUNDS'] ?? 10);
const TASKS_PER_ROUND = 8;
/** More than that wait: this round only works them off. */
const BACKLOG = 60;
/** Of three workers one server takes two. */
const RUNNING = 2;

type Poll = Awaited<ReturnType<RuntimePort['poll_task_result']>>;
type Kill = 'boot' | 'submit' | 'work' | 'answer';

interface Accepted {
  readonly id: string;
  readonly key: string;
  readonly tool: 'once' | 'again';
}

const caller = { principal: 'local', clientId: randomUUID(), clientName: 'crash' };
const context = () => ({ caller, signal: new AbortController().signal });

/** The engine of a home as a process of its own, as `serve` starts it. */
class Engine {
  readonly #place: Workplace;
  readonly #child: ChildProcess;
  readonly exited: Promise<void>;
  #remote: RemoteRuntime | undefined;
  stderr = '';

  constructor(place: Workplace) {
    this.#place = place;
    const env = {
      ...place.env,
      ENGINE_LINK: 'socket',
      BACKGROUND_QUEUE_SIZE: '500',
      BACKGROUND_QUEUE_MAX_SUBSCRIBERS: '3',
    };
    this.#child = spawn(process.execPath, [bin, 'engine', 'run'], {
      env,
      cwd: project,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#child.stderr?.on('data', (data: Buffer) => {
      this.stderr += data.toString('utf8');
    });
    this.exited = new Promise((resolve) => this.#child.once('exit', () => resolve()));
  }

  /** The runtime at the other end of its socket. */
  async join(): Promise<RuntimePort> {
    const directory = await openEngineDirectory({ home: this.#place.home });
    return await eventually(async () => {
      if (this.#child.exitCode !== null) throw new Error(`the engine ended: ${this.stderr}`);
      const found = await readDescriptor(directory);
      const address = found?.pid === this.#child.pid ? found?.addresses[0] : undefined;
      if (address === undefined) return undefined;
      this.#remote = await connectRuntime({ link: linkTo(address), version: packageJson.version });
      return this.#remote;
    }, 30_000);
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.exited;
    await this.#remote?.close();
  }
}

const submit = async (runtime: RuntimePort): Promise<Accepted> => {
  const key = randomUUID();
  const tool = Math.random() < 0.25 ? 'again' : 'once';
  const answer = await runtime.execute_tool(
    {
      server_name: 'counting',
      tool_name: tool,
      arguments: { key, ms: Math.random() * 30, bytes: Math.random() < 0.1 ? 400_000 : 10 },
      timeout: 60,
      in_background: true,
      priority: Math.floor(Math.random() * 3),
    },
    context(),
  );
  if (answer.status !== 'queued') throw new Error(`not queued but ${answer.status}`);
  return { id: answer.task_id, key, tool };
};

/** One life of an engine. @returns the tasks that it said it had accepted. */
async function round(place: Workplace, kill: Kill): Promise<Accepted[]> {
  const engine = new Engine(place);
  const accepted: Accepted[] = [];
  try {
    if (kill === 'boot') {
      await sleep(Math.random() * 900);
      return accepted;
    }
    const runtime = await engine.join();
    const { tasks } = await runtime.get_statistics({}, context());
    const count = (tasks['queued'] ?? 0) > BACKLOG ? 0 : TASKS_PER_ROUND;
    const submitting = Array.from({ length: count }, async () => {
      const task = await submit(runtime).catch(() => undefined);
      if (task) accepted.push(task);
    });
    if (kill === 'submit') await sleep(Math.random() * 15);
    else await Promise.all(submitting);
    if (kill === 'work') await sleep(Math.random() * 250);
    const first = accepted[0];
    if (kill === 'answer' && first)
      await Promise.race([runtime.poll_task_result({ task_id: first.id, wait: 5 }, context()), sleep(3_000)]);
    await engine.kill();
    await Promise.all(submitting);
    return accepted;
  } finally {
    await engine.kill();
  }
}

describe.skipIf(process.platform === 'win32')('an engine that is killed', () => {
  const at = workplace();

  it(`BGT-02: ${ROUNDS} times: queued tasks run exactly once, none is lost, none runs twice unless it may`, async () => {
    const place = at();
    place.servers({ counting: node(fixture('counting-server.mjs')) });
    const learning = new Engine(place);
    const first = await learning.join();
    const wanted = { server_name: 'counting', tool_name: 'again' };
    await eventually(() => first.get_tool_details(wanted, context()).catch(() => undefined), 20_000);
    await learning.kill();

    const kills: Kill[] = ['work', 'submit', 'answer', 'boot', 'work'];
    const accepted: Accepted[] = [];
    for (let n = 0; n < ROUNDS; n += 1)
      accepted.push(...(await round(place, kills[n % kills.length] ?? 'work')));

    const last = new Engine(place);
    const runtime = await last.join();
    await eventually(async () => {
      const { tasks } = await runtime.get_statistics({}, context());
      return (tasks['queued'] ?? 0) + (tasks['running'] ?? 0) === 0;
    }, 120_000);
    const polls = new Map<string, Poll>();
    for (const { id } of accepted)
      polls.set(id, await runtime.poll_task_result({ task_id: id, wait: 0 }, context()));
    await last.kill();

    const begun = counted(place, 'begin');
    const done = counted(place, 'done');
    const ends: Record<string, number> = {};
    for (const { id, key, tool } of accepted) {
      const task = polls.get(id);
      const runs = { begun: begun.get(key) ?? 0, done: done.get(key) ?? 0 };
      ends[task?.status ?? 'lost'] = (ends[task?.status ?? 'lost'] ?? 0) + 1;
      if (task?.status === 'completed') {
        expect(JSON.stringify(task.result).includes(key), `task ${id} has another's result`).toBe(true);
        if (tool === 'once') expect(runs, `task ${id}`).toEqual({ begun: 1, done: 1 });
        else expect(runs.done, `task ${id}`).toBeGreaterThanOrEqual(1);
      } else {
        expect(task, `task ${id}`).toMatchObject({ status: 'failed', error: { code: 'OUTCOME_UNKNOWN' } });
        expect(task?.error?.message).toMatch(
          tool === 'once' ? /Interrupted, may have run/ : /not tried again/,
        );
        expect(runs.begun, `task ${id}`).toBeLessThanOrEqual(tool === 'once' ? 1 : 2);
      }
    }
    // Whatever was not told to have been accepted may have been, but not twice either.
    const again = new Set(accepted.filter(({ tool }) => tool === 'again').map(({ key }) => key));
    const twice = [...begun].filter(
      ([key, times]) => times > 1 && !again.has(key) && !repeatable(place).has(key),
    );
    expect(twice).toEqual([]);
    expect(accepted.length).toBeGreaterThan(ROUNDS);
    expect(ends['failed'] ?? 0).toBeLessThanOrEqual(ROUNDS * RUNNING);
    process.stderr.write(`crash rounds ${ROUNDS}: accepted ${accepted.length}, ${JSON.stringify(ends)}\n`);
  }, 7_200_000);
});

function counted(place: Workplace, ev: string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { key } of place.events('counting', ev))
    counts.set(String(key), (counts.get(String(key)) ?? 0) + 1);
  return counts;
}

const repeatable = (place: Workplace): Set<string> =>
  new Set(
    place
      .events('counting')
      .filter(({ tool }) => tool === 'again')
      .map(({ key }) => String(key)),
  );
