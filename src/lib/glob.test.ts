import { describe, expect, it } from 'vitest';
import { glob } from './glob.js';

describe('glob', () => {
  it.each([
    ['read', 'read', true],
    ['read', 'reads', false],
    ['*', '', true],
    ['read_*', 'read_', true],
    ['read_*', 'unread_x', false],
    ['*_file', 'read_file', true],
    ['*a*b', 'xxaxxb', true],
    ['*a*b', 'ba', false],
    ['a?c', 'abc', true],
    ['a?c', 'ac', false],
    ['a.c', 'abc', false],
    ['[a]', 'a', false],
    ['a*', 'b/a', false],
  ])('%s on %s: %s', (pattern, name, expected) => {
    expect(glob(pattern)(name)).toBe(expected);
  });

  it('a pattern of stars does not hang on a long name', () => {
    expect(glob(`${'*a'.repeat(30)}b`)('a'.repeat(20_000))).toBe(false);
  });
});
