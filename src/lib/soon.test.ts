import { expect, it } from 'vitest';
import { Soon } from './soon.js';

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** What was gathered each time it was done. */
function gathering() {
  const done: string[] = [];
  let gathered = '';
  const soon = new Soon(() => {
    done.push(gathered);
    gathered = '';
  });
  const add = (word: string, isAlone: boolean) => {
    gathered += word;
    soon.ask(isAlone);
  };
  return { done, add };
}

/** An event of its own for each, all in one turn of the event loop. */
const eventsInOneTurn = (events: readonly (() => void)[]) =>
  Promise.all(
    events.map(
      (event) =>
        new Promise<void>((resolve) =>
          setImmediate(() => {
            event();
            resolve();
          }),
        ),
    ),
  );

it('does it once for all who ask behind one event, with the promises that are under way', async () => {
  const { done, add } = gathering();
  const later = async (word: string, steps: number) => {
    for (let i = 0; i < steps; i += 1) await undefined;
    add(word, true);
  };
  await Promise.all([later('a', 0), later('b', 1), later('c', 10)]);
  await turn();
  expect(done).toEqual(['abc']);
});

it('has who is alone wait for nobody', async () => {
  const { done, add } = gathering();
  await eventsInOneTurn([() => add('a', true), () => add('b', true), () => add('c', true)]);
  expect(done).toEqual(['a', 'b', 'c']);
});

it('has others wait for the turn of the event loop', async () => {
  const { done, add } = gathering();
  await eventsInOneTurn([() => add('a', false), () => add('b', false), () => add('c', true)]);
  await turn();
  expect(done).toEqual(['abc']);
});
