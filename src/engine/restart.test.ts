import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { afterEnd, type EndHistory, remoteRules, restartRules } from './restart.js';

const facts = (now: number, more: Partial<Parameters<typeof afterEnd>[1]> = {}) => ({
  now,
  upMs: 200,
  policy: 'on-failure' as const,
  final: false,
  random: 0,
  ...more,
});

describe('afterEnd', () => {
  it('LIF-05: gaps grow, and after the budget of the window it gives up', () => {
    let history: EndHistory = [];
    const delays: number[] = [];
    for (let now = 0; ; now += 1_000) {
      const { history: next, decision } = afterEnd(history, facts(now));
      history = next;
      if (decision.action === 'give-up') break;
      delays.push(decision.delayMs);
    }
    expect(delays).toEqual([0, 250, 500, 1000, 2000]);
  });

  it('forgets what was before only after sustained health', () => {
    const four = afterEnd([1, 2, 3], facts(10)).history;
    expect(afterEnd(four, facts(20, { upMs: restartRules.healthyMs - 1 })).decision.attempts).toBe(5);
    expect(afterEnd(four, facts(20, { upMs: restartRules.healthyMs })).decision).toEqual({
      action: 'restart',
      delayMs: 0,
      attempts: 1,
    });
  });

  it('REM-02: a remote server is never given up, and asked once a minute in the end', () => {
    let history: EndHistory = [];
    const delays: number[] = [];
    for (let now = 0, tries = 0; tries < 60; tries += 1) {
      const { history: next, decision } = afterEnd(history, facts(now), remoteRules);
      history = next;
      if (decision.action === 'give-up') throw new Error('given up');
      delays.push(decision.delayMs);
      now += decision.delayMs + 1_000;
    }
    expect(delays.slice(0, 5)).toEqual([0, 250, 500, 1000, 2000]);
    expect(new Set(delays.slice(12))).toEqual(new Set([60_000]));
  });

  it('REM-02: what Retry-After asks for is granted, up to the longest delay', () => {
    const held = (holdMs: number) => afterEnd([], facts(0, { holdMs }), remoteRules).decision;
    expect(held(7_000)).toMatchObject({ delayMs: 7_000 });
    expect(held(86_400_000)).toMatchObject({ delayMs: 60_000 });
  });

  it('does not try again what cannot work, or what must not be tried', () => {
    expect(afterEnd([], facts(0, { final: true })).decision.action).toBe('give-up');
    expect(afterEnd([], facts(0, { policy: 'never' })).decision.action).toBe('give-up');
  });

  it('never grants more restarts in a window than the budget, whatever the times', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 30_000 }), { maxLength: 60 }), (gaps) => {
        let history: EndHistory = [];
        let now = 0;
        const granted: number[] = [];
        for (const gap of gaps) {
          now += gap;
          const { history: next, decision } = afterEnd(history, facts(now, { random: 0.9 }));
          history = next;
          if (decision.action === 'restart') granted.push(now);
          expect(granted.filter((at) => at > now - restartRules.windowMs).length).toBeLessThanOrEqual(
            restartRules.budget,
          );
        }
      }),
    );
  });
});
