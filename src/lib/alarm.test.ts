import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Alarm } from './alarm.js';

beforeEach(() => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
afterEach(() => vi.useRealTimers());

describe('Alarm', () => {
  it('rings at the earliest time, and then when it is told to', () => {
    const rung: number[] = [];
    const next = [200, Number.POSITIVE_INFINITY];
    const alarm = new Alarm(
      () => performance.now(),
      () => {
        rung.push(performance.now());
        return start + (next.shift() ?? Number.POSITIVE_INFINITY);
      },
    );
    const start = performance.now();
    for (const due of [150, 100, 120]) alarm.by(start + due);
    vi.advanceTimersByTime(1_000);
    expect(rung.map((at) => Math.round(at - start))).toEqual([100, 200]);
    alarm.by(start + 1_100);
    alarm.stop();
    vi.advanceTimersByTime(1_000);
    expect(rung).toHaveLength(2);
  });
});
