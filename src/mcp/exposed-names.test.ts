import { describe, expect, it } from 'vitest';
import { exposedNames } from './exposed-names.js';

const names = (things: [string, string][], plain = false, taken: string[] = []) => [
  ...exposedNames(
    things.map(([server, name]) => ({ server, name })),
    { plain, taken: new Set(taken) },
  ).keys(),
];

describe('names of what is shown', () => {
  it('stay plain for one server, unless they are taken or too long', () => {
    const [plain, taken, long] = names(
      [
        ['s', 'a b'],
        ['s', 'mine'],
        ['s', 'x'.repeat(65)],
      ],
      true,
      ['mine'],
    );
    expect(plain).toBe('a b');
    expect(taken).toMatch(/^s__mine_[0-9a-f]{8}$/);
    expect(long).toHaveLength(64);
  });

  it('are told apart, whatever servers and tools are called', () => {
    const things: [string, string][] = [
      ['a', 'b__c'],
      ['a__b', 'c'],
      ['a_', '_c'],
      ['a', 'ü'],
      ['a', 'ö'],
      ['server', 'y'.repeat(80)],
      ['server', `${'y'.repeat(80)}z`],
    ];
    const found = names(things);
    expect(new Set(found).size).toBe(things.length);
    for (const name of found) expect(name).toMatch(/^[A-Za-z0-9_.-]{1,64}$/);
    expect(names([...things].reverse()).reverse()).toEqual(found);
  });
});
