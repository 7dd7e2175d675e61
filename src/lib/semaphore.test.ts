import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Semaphore } from './semaphore.js';

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('Semaphore', () => {
  it('gives each key its turn, whoever asked more often', async () => {
    const places = new Semaphore(1);
    const entered: string[] = [];
    const held = await places.acquire();
    const enter = async (key: string) => {
      using _place = await places.acquire(undefined, key);
      entered.push(key);
    };
    const all = [...'AAAAAAAA', 'B', 'C', 'B'].map((key) => enter(key));
    expect(places.waiting).toBe(11);
    held[Symbol.dispose]();
    await Promise.all(all);
    expect(entered.join('')).toBe('ABCABAAAAAA');
  });

  it('who leaves the queue takes no turn', async () => {
    const places = new Semaphore(1);
    const held = await places.acquire();
    const leaving = new AbortController();
    const left = places.acquire(leaving.signal, 'A');
    const stays = places.acquire(undefined, 'B');
    leaving.abort(new Error('left'));
    await expect(left).rejects.toThrow('left');
    held[Symbol.dispose]();
    (await stays)[Symbol.dispose]();
    expect(places.waiting).toBe(0);
    (await places.acquire())[Symbol.dispose]();
  });

  it('never lets in more than the limit, and at last everyone', async () => {
    const wish = fc.record({ key: fc.constantFrom('a', 'b', 'c'), leaves: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 3 }),
        fc.array(wish, { maxLength: 30 }),
        async (limit, wishes) => {
          const places = new Semaphore(limit);
          let inside = 0;
          const all = wishes.map(async ({ key, leaves }) => {
            const signal = leaves ? AbortSignal.abort() : undefined;
            const place = await places.acquire(signal, key).catch(() => undefined);
            if (!place) return leaves;
            inside += 1;
            expect(inside).toBeLessThanOrEqual(limit);
            await turn();
            inside -= 1;
            place[Symbol.dispose]();
            return true;
          });
          expect(await Promise.all(all)).not.toContain(false);
          expect(places.waiting).toBe(0);
        },
      ),
    );
  });
});
