import { afterEach, expect, it, vi } from 'vitest';
import { Soon } from './soon.js';

const turn = () => new Promise((resolve) => setImmediate(resolve));

afterEach(() => vi.restoreAllMocks());

it('does it once for all who ask meanwhile, behind the promises that are under way', async () => {
  const done: string[] = [];
  let gathered: string[] = [];
  const soon = new Soon(() => {
    done.push(gathered.join());
    gathered = [];
  });
  const add = async (word: string, steps: number) => {
    for (let i = 0; i < steps; i += 1) await undefined;
    gathered.push(word);
    soon.ask();
  };
  await Promise.all([add('a', 0), add('b', 1), add('c', 10)]);
  await turn();
  expect(done).toEqual(['a,b,c']);
});

it('gathers what comes in one turn of the event loop while it is busy, and loses nothing', async () => {
  vi.spyOn(performance, 'now').mockReturnValue(1_000);
  let asked = 0;
  let gathered = 0;
  let runs = 0;
  const soon = new Soon(() => {
    runs += 1;
    gathered = asked;
  });
  for (let round = 0; round < 50; round += 1) {
    // Each from an event of its own, as many sockets bring them.
    await Promise.all(
      Array.from(
        { length: 20 },
        () =>
          new Promise<void>((resolve) =>
            setImmediate(() => {
              asked += 1;
              soon.ask();
              resolve();
            }),
          ),
      ),
    );
  }
  await turn();
  expect(gathered).toBe(1_000);
  expect(runs).toBeLessThan(150);
});
