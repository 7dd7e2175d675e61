import { describe, expect, it } from 'vitest';
import { CircuitBreaker } from './circuit-breaker.js';

describe('CircuitBreaker', () => {
  function breaker() {
    const clock = { ms: 1_000 };
    return {
      clock,
      it: new CircuitBreaker({ threshold: 2, pauseMs: 100, maxPauseMs: 300, now: () => clock.ms }),
    };
  }

  it('opens after so many failures in a row, not before', () => {
    const { it: b } = breaker();
    b.fail();
    b.succeed();
    b.fail();
    expect(b.enter()).toEqual({ kind: 'go' });
    b.fail();
    expect(b.enter()).toEqual({ kind: 'wait', ms: 100 });
  });

  it('lets one probe through, and closes when it succeeds', () => {
    const { clock, it: b } = breaker();
    b.fail();
    b.fail();
    clock.ms += 100;
    expect(b.enter()).toEqual({ kind: 'probe' });
    expect(b.enter().kind).toBe('wait');
    b.succeed();
    expect(b.enter()).toEqual({ kind: 'go' });
  });

  it('doubles the pause with each failed probe, up to the longest', () => {
    const { clock, it: b } = breaker();
    b.fail();
    b.fail();
    for (const pause of [200, 300, 300]) {
      clock.ms += 1_000;
      expect(b.enter()).toEqual({ kind: 'probe' });
      b.fail();
      expect(b.enter()).toEqual({ kind: 'wait', ms: pause });
    }
  });

  it('lets the next one probe when a probe was taken back', () => {
    const { clock, it: b } = breaker();
    b.fail();
    b.fail();
    clock.ms += 100;
    b.enter();
    b.withdraw();
    expect(b.enter()).toEqual({ kind: 'probe' });
  });

  it('leaves a peer alone as long as it asked for, but not longer than the longest pause', () => {
    const { it: b } = breaker();
    b.fail(250);
    expect(b.enter()).toEqual({ kind: 'wait', ms: 250 });
    const other = breaker().it;
    other.fail(1e9);
    expect(other.enter()).toEqual({ kind: 'wait', ms: 300 });
  });

  it('probes at once when its pause is ended, and says until when it is open', () => {
    const { clock, it: b } = breaker();
    expect(b.openUntil).toBeUndefined();
    b.fail();
    b.fail();
    expect([b.openUntil, b.failures]).toEqual([clock.ms + 100, 2]);
    b.endPause();
    expect(b.enter()).toEqual({ kind: 'probe' });
    b.succeed();
    expect([b.openUntil, b.failures]).toEqual([undefined, 0]);
  });
});
