import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually, isAlive } from '../support/processes.js';
import { type Answer, type LedgerLine, type WireProcess, WireStage } from '../support/wire.js';

/** More where there is time: WIRE_ROUNDS=200. */
const ROUNDS = Number(process.env['WIRE_ROUNDS'] ?? 12);

let stage: WireStage;
beforeEach(() => {
  stage = new WireStage();
});
afterEach(() => stage.end());

const answers = (front: WireProcess, prefix = '') =>
  front.lines.filter((line): line is Answer & { key: string } => line.key?.startsWith(prefix) === true);

/** Every key answered exactly once; and what was said not to have run did not. */
function account(
  asked: ReadonlyMap<string, number>,
  given: readonly Answer[],
  ledger: readonly LedgerLine[],
): void {
  const times = new Map<string, number>();
  for (const { key } of given) times.set(key as string, (times.get(key as string) ?? 0) + 1);
  for (const [prefix, count] of asked)
    for (let n = 0; n < count; n += 1) expect(times.get(`${prefix}${n}`), `answers to ${prefix}${n}`).toBe(1);
  const begun = new Map<string, number>();
  const done = new Set<string>();
  for (const { ev, key } of ledger) {
    if (ev === 'begin') begun.set(key as string, (begun.get(key as string) ?? 0) + 1);
    if (ev === 'done') done.add(key as string);
  }
  expect(
    [...begun].filter(([, count]) => count > 1),
    'executed twice',
  ).toEqual([]);
  for (const { key, ok, code, data } of given as (Answer & { key: string })[]) {
    if (ok !== undefined) expect(done.has(key), `${key} is said to be done`).toBe(true);
    if (data?.executed === false || code === 'ENGINE_UNAVAILABLE' || code === 'ENGINE_DRAINING')
      expect(begun.has(key), `${key} is said not to have run (${code})`).toBe(false);
  }
}

describe.each(['zeromq', 'socket'] as const)('calls over %s', (linkKind) => {
  it(
    'answers each call once while front-ends and engines are killed',
    async () => {
      const asked = new Map<string, number>();
      const all: WireProcess[] = [];
      let survivors: WireProcess[] = [];
      for (let round = 0; round < ROUNDS; round += 1) {
        while (survivors.length < 3) {
          const front = stage.front({ linkKind });
          all.push(front);
          survivors.push(front);
        }
        const pids = await Promise.all(survivors.map((front) => stage.joined(front)));
        for (const [n, front] of survivors.entries()) {
          const prefix = `r${round}f${n}-`;
          asked.set(prefix, 30);
          front.ask({ prefix, count: 30, tool: n === 0 ? 'sleep' : 'echo', args: { ms: 20, steps: 1 } });
        }
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 40));
        if (round % 2 === 0) {
          const engine = stage.ledger().findLast((line) => line.ev === 'engine')?.pid ?? pids[0];
          if (engine !== undefined && isAlive(engine)) process.kill(engine, 'SIGKILL');
        } else {
          const [victim, ...rest] = survivors;
          const prefix = `r${round}f0-`;
          victim?.signal('SIGKILL');
          await victim?.exited;
          asked.delete(prefix);
          survivors = rest;
        }
        for (const [n, front] of survivors.entries()) {
          const prefix = `r${round}f${n + (round % 2)}-`;
          await eventually(() => answers(front, prefix).length >= 30, 20_000);
        }
      }
      account(
        asked,
        all
          .flatMap((front) => answers(front))
          .filter(({ key }) => [...asked.keys()].some((prefix) => key.startsWith(prefix))),
        stage.ledger(),
      );
      const kinds = new Set(all.flatMap((front) => answers(front).map((line) => line.code ?? 'ok')));
      expect([...kinds].every((kind) => ['ok', 'OUTCOME_UNKNOWN', 'ENGINE_UNAVAILABLE'].includes(kind))).toBe(
        true,
      );
    },
    60_000 + ROUNDS * 5_000,
  );

  it('CLI-06: loses nothing of 10,000 answers to a front-end that does not read, and harms nobody', async () => {
    const slow = stage.front({ linkKind });
    const engine = await stage.joined(slow);
    const other = stage.front({ linkKind });
    expect(await stage.joined(other)).toBe(engine);
    slow.ask({ prefix: 'slow', count: 10_000, tool: 'blob', args: { bytes: 3_000 } });
    await eventually(() => stage.ledger().length > 200, 20_000);
    slow.signal('SIGSTOP');
    const before = answers(slow).length;
    other.ask({ prefix: 'other', count: 200, tool: 'echo' });
    await eventually(() => answers(other).length === 200, 20_000);
    expect(answers(other).every((line) => line.ok === 'echo')).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(before).toBeLessThan(10_000);
    slow.signal('SIGCONT');
    await eventually(() => answers(slow).length === 10_000, 30_000);
    const wanted = createHash('sha256').update('0123456789'.repeat(300)).digest('hex');
    expect(answers(slow).filter((line) => line.ok !== wanted)).toEqual([]);
    account(new Map([['slow', 10_000]]), answers(slow), stage.ledger());
  }, 90_000);

  it('CLI-06: gives up a front-end that never reads again, with its calls', async () => {
    const limits = { heartbeatMs: 200, silenceMs: 1_000 };
    const slow = stage.front({ linkKind, engine: { limits } });
    await stage.joined(slow);
    slow.ask({ prefix: 'long', count: 5, tool: 'sleep', args: { ms: 30_000 } });
    await eventually(() => stage.ledger().filter((line) => line.ev === 'begin').length === 5);
    slow.signal('SIGSTOP');
    await eventually(() => stage.ledger().filter((line) => line.ev === 'aborted').length === 5, 10_000);
    slow.signal('SIGCONT');
    await eventually(() => answers(slow).length === 5, 10_000);
    expect(answers(slow).every((line) => line.code === 'OUTCOME_UNKNOWN')).toBe(true);
    slow.ask({ prefix: 'again', tool: 'echo' });
    await eventually(() => answers(slow, 'again').length === 1, 10_000);
    expect(answers(slow, 'again')[0]?.ok).toBe('echo');
  }, 60_000);

  it('never runs a call whose caller was told that time ran out', async () => {
    const front = stage.front({ linkKind, patienceMs: 400 });
    const engine = await stage.joined(front);
    front.ask({ prefix: 'warm', tool: 'echo' });
    await eventually(() => answers(front, 'warm').length === 1);
    process.kill(engine, 'SIGSTOP');
    front.ask({ prefix: 'late', count: 700, tool: 'counter' });
    await eventually(() => answers(front, 'late').length === 700, 10_000);
    expect(answers(front, 'late').every((line) => line.code === 'TIMEOUT')).toBe(true);
    // Beyond the window nothing was sent, and the front-end knows.
    expect(answers(front, 'late').filter((line) => line.data?.executed === false).length).toBeGreaterThan(
      100,
    );
    process.kill(engine, 'SIGCONT');
    front.ask({ prefix: 'then', tool: 'counter' });
    await eventually(() => answers(front, 'then').length === 1, 10_000);
    expect(answers(front, 'then')[0]?.ok).toBe('1');
    expect(stage.ledger().filter((line) => line.key?.startsWith('late'))).toEqual([]);
  }, 60_000);

  it('rejects what waits the moment the engine dies', async () => {
    const front = stage.front({ linkKind });
    const engine = await stage.joined(front);
    front.ask({ prefix: 'wait', count: 50, tool: 'sleep', args: { ms: 30_000 } });
    await eventually(() => stage.ledger().filter((line) => line.ev === 'begin').length === 50);
    process.kill(engine, 'SIGKILL');
    await eventually(() => answers(front, 'wait').length === 50, 3_000);
    expect(answers(front, 'wait').every((line) => line.code === 'OUTCOME_UNKNOWN')).toBe(true);
  }, 60_000);

  it('finishes what runs when the engine is told to stop, and takes nothing new', async () => {
    const engine = stage.engine();
    await stage.ready(engine);
    const front = stage.front({ linkKind });
    await stage.joined(front);
    front.ask({ prefix: 'run', count: 20, tool: 'sleep', args: { ms: 6_000, steps: 1 } });
    front.ask({ prefix: 'big', count: 2, tool: 'blob', args: { bytes: 20 * 1024 * 1024 } });
    await eventually(() => stage.ledger().filter((line) => line.ev === 'begin').length === 22);
    engine.signal('SIGTERM');
    // It hears of the signal between two pieces of what it prints, and sends nobody here from then on.
    await eventually(() => !existsSync(join(stage.home, 'engine', 'engine.json')), 20_000);
    front.ask({ prefix: 'new', tool: 'echo' });
    await eventually(() => answers(front).length === 23, 30_000);
    expect(answers(front, 'run').every((line) => line.ok === 'slept 6000 ms')).toBe(true);
    expect(answers(front, 'big').every((line) => line.ok !== undefined)).toBe(true);
    expect(answers(front, 'new')[0]).toMatchObject({ code: 'ENGINE_DRAINING' });
    expect(await engine.exited).toBe(0);
    account(
      new Map([
        ['run', 20],
        ['big', 2],
        ['new', 1],
      ]),
      answers(front),
      stage.ledger(),
    );
  }, 60_000);
});
