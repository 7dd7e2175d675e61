import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { IdleTimer } from './idle-timer.js';

beforeEach(() => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
afterEach(() => vi.useRealTimers());

describe('IdleTimer', () => {
  it('rings once nothing used it for its time, and never when that is 0', () => {
    const rung: string[] = [];
    const [timer, never] = [
      new IdleTimer(100, () => rung.push('idle')),
      new IdleTimer(0, () => rung.push('never')),
    ];
    for (const one of [timer, never]) one.unused();
    for (let use = 0; use < 5; use += 1) {
      vi.advanceTimersByTime(60);
      timer.used();
      vi.advanceTimersByTime(60);
      timer.unused();
    }
    expect(rung).toEqual([]);
    timer.used();
    vi.advanceTimersByTime(500);
    expect(rung).toEqual([]);
    timer.unused();
    vi.advanceTimersByTime(101);
    expect(rung).toEqual(['idle']);
    timer.unused();
    timer.stop();
    vi.advanceTimersByTime(500);
    expect(rung).toEqual(['idle']);
  });
});
