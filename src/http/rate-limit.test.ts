import { describe, expect, it } from 'vitest';
import { RateLimit } from './rate-limit.js';

describe('RateLimit', () => {
  it('lets so many through, says when to come again, and keeps keys apart', () => {
    let now = 0;
    const limit = new RateLimit(60, () => now);
    expect(Array.from({ length: 12 }, () => limit.take('a'))).toEqual([...Array(10).fill(0), 1, 1]);
    expect(limit.take('b')).toBe(0);
    now += 1_000;
    expect([limit.take('a'), limit.take('a')]).toEqual([0, 1]);
    now += 3_600_000;
    expect(Array.from({ length: 11 }, () => limit.take('a')).filter((wait) => wait > 0)).toHaveLength(1);
  });

  it('keeps a bounded number of keys, whoever comes', () => {
    const limit = new RateLimit(60, () => 0);
    for (let i = 0; i < 10; i += 1) limit.take('old');
    expect(limit.take('old')).toBeGreaterThan(0);
    for (let i = 0; i < 20_000; i += 1) limit.take(`key ${i}`);
    expect(limit.take('old')).toBe(0);
  });
});
