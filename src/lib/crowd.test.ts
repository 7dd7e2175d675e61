import { expect, it } from 'vitest';
import { Crowd } from './crowd.js';

it('takes who came one at a time for one, and remembers a crowd for a while', () => {
  const crowd = new Crowd();
  expect(crowd.isOne).toBe(true);
  for (let call = 0; call < 10; call += 1) {
    crowd.enter(1);
    expect(crowd.isOne).toBe(true);
  }
  for (let size = 1; size <= 64; size += 1) crowd.enter(size);
  // The first of the next wave is alone for a moment.
  crowd.enter(1);
  expect(crowd.isOne).toBe(false);
  let alone = 1;
  for (; !crowd.isOne; alone += 1) crowd.enter(1);
  expect(alone).toBeGreaterThan(20);
  expect(alone).toBeLessThan(64);
  crowd.enter(2);
  expect(crowd.isOne).toBe(false);
});
