import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Progress } from '../core/upstream.js';
import { ProgressGate } from './progress-gate.js';

describe('ProgressGate', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const gateWith = () => {
    const seen: Progress[] = [];
    const gate = new ProgressGate(
      (progress) => seen.push(progress),
      () => Date.now(),
    );
    return { seen, gate };
  };

  it('lets ten a second through, the newest each time', () => {
    const { seen, gate } = gateWith();
    for (let i = 0; i < 1_000; i += 1) {
      gate.report({ progress: i, total: 1_000 });
      vi.advanceTimersByTime(1);
    }
    expect(seen.length).toBeGreaterThanOrEqual(9);
    expect(seen.length).toBeLessThanOrEqual(11);
    gate.close();
    expect(seen.at(-1)).toEqual({ progress: 999, total: 1_000 });
  });

  it('delivers what was held back when the call is over, and nothing after', () => {
    const { seen, gate } = gateWith();
    gate.report({ progress: 1 });
    gate.report({ progress: 2, message: 'last' });
    gate.close();
    vi.advanceTimersByTime(1_000);
    expect(seen).toEqual([{ progress: 1 }, { progress: 2, message: 'last' }]);
  });

  it('drops what goes backwards or is no number, and survives its listener', () => {
    const { seen, gate } = gateWith();
    for (const progress of [5, -1, 'x', undefined, Number.NaN, 4]) gate.report({ progress });
    gate.close();
    expect(seen).toEqual([{ progress: 5 }]);
    const loud = new ProgressGate(() => {
      throw new Error('listener');
    });
    expect(() => loud.report({ progress: 1 })).not.toThrow();
  });
});
