import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ProgressGate } from './progress-gate.js';

describe('ProgressGate', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('lets ten a second through, and the last', () => {
    const seen: number[] = [];
    const gate = new ProgressGate(({ progress }) => seen.push(progress));
    for (let n = 1; n <= 1_000; n += 1) {
      gate.report({ progress: n });
      vi.advanceTimersByTime(1);
    }
    expect(seen.length).toBeLessThanOrEqual(11);
    gate.report({ progress: 1_001 });
    gate.close();
    expect(seen.at(-1)).toBe(1_001);
    gate.report({ progress: 2_000 });
    vi.advanceTimersByTime(1_000);
    expect(seen.at(-1)).toBe(1_001);
  });

  it('drops what does not increase', () => {
    const seen: number[] = [];
    const gate = new ProgressGate(({ progress }) => seen.push(progress));
    for (const progress of [1, 1, 0, Number.NaN, Number.POSITIVE_INFINITY, 2]) {
      gate.report({ progress });
      vi.advanceTimersByTime(200);
    }
    expect(seen).toEqual([1, 2]);
  });
});
