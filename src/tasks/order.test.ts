import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ahead, nextToStart, type Waiting } from './order.js';

const task = fc.record({
  server: fc.constantFrom('a', 'b', 'c'),
  priority: fc.integer({ min: -3, max: 3 }),
  createdAt: fc.integer({ min: 0, max: 100_000 }),
});
const tasks = fc
  .array(task, { maxLength: 60 })
  .map((list): Waiting[] => list.map((entry, seq) => ({ ...entry, seq, id: String(seq) })));

describe('order of waiting tasks', () => {
  it('BGT-03: priority first, arrival among equals, and whoever waited long before all others', () => {
    fc.assert(
      fc.property(tasks, fc.integer({ min: 0, max: 200_000 }), (waiting, now) => {
        const places = new Map(waiting.map((one) => [one.seq, ahead(waiting, one, now, 30_000)]));
        const ordered = [...waiting].sort((a, b) => (places.get(a.seq) ?? 0) - (places.get(b.seq) ?? 0));
        expect([...places.values()].sort((a, b) => a - b)).toEqual([...waiting.keys()]);
        expect(ordered.map(({ seq }) => seq).sort((a, b) => a - b)).toEqual(waiting.map(({ seq }) => seq));
        for (const [index, next] of ordered.entries()) {
          const previous = ordered[index - 1];
          if (!previous) continue;
          const aged = [previous, next].map(({ createdAt }) => now - createdAt >= 30_000);
          if (aged[0] === aged[1] && (aged[0] || previous.priority === next.priority)) {
            expect(previous.seq).toBeLessThan(next.seq);
          } else if (aged[0] === aged[1]) expect(previous.priority).toBeLessThan(next.priority);
          else expect(aged).toEqual([true, false]);
        }
      }),
    );
  });

  it('BGT-03: the lowest starts within the bound though urgent ones keep coming', () => {
    const waiting: Waiting[] = [{ id: 'low', server: 's', priority: 9, seq: 0, createdAt: 0 }];
    let seq = 1;
    for (let now = 0; now <= 60_000; now += 1000) {
      waiting.push({ id: `high ${seq}`, server: 's', priority: 0, seq, createdAt: now });
      seq += 1;
      const next = nextToStart(
        waiting,
        now,
        30_000,
        () => 0,
        () => 1,
      );
      if (next?.id === 'low') return expect(now).toBe(30_000);
      waiting.splice(waiting.indexOf(next as Waiting), 1);
    }
    throw new Error('the low one never started');
  });

  it('BGT-06: a server at its cap is passed over', () => {
    const waiting: Waiting[] = [
      { id: '1', server: 'hangs', priority: 0, seq: 0, createdAt: 0 },
      { id: '2', server: 'works', priority: 5, seq: 1, createdAt: 0 },
    ];
    const running = (server: string) => (server === 'hangs' ? 3 : 0);
    expect(nextToStart(waiting, 0, 30_000, running, () => 3)?.id).toBe('2');
    expect(nextToStart(waiting.slice(0, 1), 0, 30_000, running, () => 3)).toBeUndefined();
  });
});
