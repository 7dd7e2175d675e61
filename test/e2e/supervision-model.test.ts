import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RuntimeError } from '../../src/core/errors.js';
import type { StdioDefinition } from '../../src/core/server.js';
import type { UpstreamSession } from '../../src/core/upstream.js';
import { Ledger } from '../support/oracles.js';
import { eventually, fixture, isAlive } from '../support/processes.js';
import { type Supervision, supervisions } from '../support/supervision.js';
import { within } from '../support/upstream.js';

/** All of the 2,000 steps with MODEL_STEPS=2000; fewer where many tests run side by side. */
const STEPS = Number(process.env['MODEL_STEPS'] ?? 400);
const PER_RUN = 50;
/** Most of the time is spent waiting: so many runs side by side, each with servers of its own. */
const LANES = 3;
const NAMES = ['a', 'b', 'c', 'd'] as const;

type Step =
  | { readonly do: 'start' | 'stop' | 'call' | 'slow-call' | 'kill' | 'crash'; readonly server: string }
  | { readonly do: 'reload'; readonly server: string; readonly how: 'change' | 'remove' | 'add' };

const server = fc.constantFrom(...NAMES);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('call' as const), server }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('slow-call' as const), server }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('start' as const), server }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('stop' as const), server }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('kill' as const), server }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('crash' as const), server }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('reload' as const),
      server,
      how: fc.constantFrom('change' as const, 'remove' as const, 'add' as const),
    }),
  },
);

/** What a call may end with; anything else is a fault of ours. */
const HONEST = [
  'SERVER_DIED',
  'SERVER_NOT_FOUND',
  'SERVER_BACKING_OFF',
  'SERVER_START_FAILED',
  'CANCELLED',
  'OUTCOME_UNKNOWN',
];

/** The system and what is known of it: which servers there are, and what was wished last. */
class Model {
  readonly #at: Supervision;
  readonly #definitions = new Map<string, StdioDefinition>();
  readonly #open: Promise<unknown>[] = [];
  readonly #killedAt = new Map<string, number>();
  readonly #crashing = new Map<string, number>();
  readonly ledger = new Ledger();
  #texts = 0;
  /** Set while nothing but starts and stops happened to a server since its last wish. */
  readonly wish = new Map<string, 'runs' | 'stopped' | 'unknown'>();

  constructor(at: Supervision) {
    this.#at = at;
    for (const name of NAMES) this.#definitions.set(name, at.server(name, fixture('good-server.mjs')));
  }

  reload(changed: string[] = []): Promise<void> {
    return this.#at.supervisor.setDefinitions([...this.#definitions.values()], new Set(changed));
  }

  async take(one: Step): Promise<void> {
    const { supervisor } = this.#at;
    const name = one.server;
    switch (one.do) {
      case 'call':
      case 'slow-call':
        this.wish.set(name, 'unknown');
        this.#call(name, one.do === 'call' ? 0 : 60);
        break;
      case 'crash':
        this.wish.set(name, 'unknown');
        this.#crash(name);
        break;
      case 'start':
        this.wish.set(name, this.#definitions.has(name) && !this.#mayDie(name) ? 'runs' : 'unknown');
        this.#go(supervisor.start(name, { clientId: 'm' }, new AbortController().signal));
        break;
      case 'stop':
        this.wish.set(name, 'stopped');
        this.#go(supervisor.stop(name));
        break;
      case 'kill': {
        this.wish.set(name, 'unknown');
        const pid = supervisor.running().find((running) => running.server === name)?.pid;
        if (pid !== undefined && isAlive(pid)) process.kill(pid, 'SIGKILL');
        this.#killedAt.set(name, performance.now());
        break;
      }
      case 'reload': {
        const known = this.#definitions.get(name);
        this.wish.set(name, 'unknown');
        if (one.how === 'remove') this.#definitions.delete(name);
        else if (!known) this.#definitions.set(name, this.#at.server(name, fixture('good-server.mjs')));
        else if (one.how === 'change')
          this.#definitions.set(name, { ...known, env: { ...known.env, CHANGED: String(this.#texts) } });
        this.#go(this.reload(one.how === 'change' && known ? [name] : []));
      }
    }
    // A step may find the one before it at any stage.
    await new Promise((resolve) => setTimeout(resolve, this.#texts % 3 === 0 ? 15 : 0));
  }

  /** Waits until all that was begun has an answer. */
  async settle(): Promise<void> {
    await Promise.all(this.#open.splice(0));
    this.ledger.verify();
  }

  has(name: string): boolean {
    return this.#definitions.has(name);
  }

  #call(name: string, ms: number): void {
    this.#texts += 1;
    const text = `t${this.#texts}`;
    const call = this.#lease(name, async (session) => {
      if (ms > 0) await session.callTool('sleep', { ms, steps: 1 }, within());
      return (await session.callTool('echo', { text }, within())).value.content?.[0]?.['text'];
    });
    this.#go(call, (answer) => answer === text);
  }

  /** A death that is still to come, or that nobody has noticed yet, may undo a start. */
  #mayDie(name: string): boolean {
    return this.#crashing.has(name) || performance.now() - (this.#killedAt.get(name) ?? -1e9) < 2_000;
  }

  #crash(name: string): void {
    const count = (by: number) => {
      const left = (this.#crashing.get(name) ?? 0) + by;
      if (left > 0) this.#crashing.set(name, left);
      else this.#crashing.delete(name);
    };
    count(1);
    const call = this.#lease(name, async (session) => void (await session.callTool('die', {}, within())));
    this.#go(call.finally(() => count(-1)));
  }

  async #lease<T>(name: string, work: (session: UpstreamSession) => Promise<T>): Promise<T> {
    using lease = await this.#at.supervisor.lease(name, { clientId: 'm' }, new AbortController().signal);
    return await work(lease.session);
  }

  #go<T>(work: Promise<T>, own?: (value: T) => boolean): void {
    this.#open.push(
      this.ledger.track(work, own).catch((error: unknown) => {
        if (!(error instanceof RuntimeError) || !HONEST.includes(error.code)) throw error;
      }),
    );
  }
}

/** One run: all steps, then what must be true of the end. */
async function run(place: Supervision, steps: readonly Step[]): Promise<void> {
  const model = new Model(place);
  await model.reload(NAMES.slice());
  let most = 0;
  for (const [index, one] of steps.entries()) {
    await model.take(one);
    const running = place.supervisor.running();
    expect(new Set(running.map((each) => each.server)).size).toBe(running.length);
    if (index % 5 === 0) most = Math.max(most, place.pids().length);
  }
  await model.settle();
  expect(most).toBeLessThanOrEqual(NAMES.length);
  await eventually(() => {
    const pids = place.supervisor.running().map((each) => each.pid);
    return place.pids().every((pid) => pids.includes(pid)) && pids.length === place.pids().length;
  }, 20_000);
  for (const name of NAMES) {
    const { status } = place.supervisor.state(name);
    if (!model.has(name)) expect(status).toBe('stopped');
    else if (model.wish.get(name) === 'stopped') expect(status).toBe('stopped');
    else if (model.wish.get(name) === 'runs') expect(status).toBe('ready');
  }
  await Promise.all(NAMES.map((name) => place.supervisor.stop(name)));
  expect(place.pids()).toEqual([]);
}

describe('LIF-11 whatever is done in whatever order', () => {
  const lanes = supervisions(LANES);

  it(
    `${STEPS} steps: one process for each server at most, every call answered, the last wish comes true`,
    async () => {
      const seed = Number(process.env['MODEL_SEED'] ?? Math.floor(Math.random() * 2 ** 30));
      const numRuns = Math.ceil(STEPS / PER_RUN / LANES);
      const steps = fc.array(step, { minLength: PER_RUN, maxLength: PER_RUN });
      await Promise.all(
        lanes().map((place, lane) =>
          fc.assert(
            fc.asyncProperty(steps, (taken) => run(place, taken)),
            { numRuns, seed: seed + lane, endOnFailure: true },
          ),
        ),
      );
    },
    Math.max(60_000, STEPS * 100),
  );
});
