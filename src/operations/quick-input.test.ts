import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { quickInput } from './quick-input.js';
import { operations } from './table.js';

const text = fc.oneof(fc.string(), fc.constantFrom('', 'a'.repeat(256), 'a'.repeat(257), 'a'.repeat(1_025)));
const anything = fc.oneof(fc.jsonValue(), fc.constant(undefined));
const args = fc.oneof(
  fc.dictionary(fc.string(), fc.jsonValue()),
  anything,
  fc.constant(JSON.parse('{"__proto__":{"a":1},"b":2}')),
);
const seconds = fc.oneof(
  fc.constantFrom(0, -1, 1, 0.5, 86_400, 86_401, Number.NaN, Number.POSITIVE_INFINITY),
  anything,
);
const named = { server_name: fc.string({ minLength: 1 }), tool_name: fc.string({ minLength: 1 }) };
const plain = fc.record(
  { ...named, arguments: args, timeout: seconds },
  { requiredKeys: ['server_name', 'tool_name'] },
);
const odd = fc.record(
  {
    server_name: fc.oneof(text, anything),
    tool_name: fc.oneof(text, anything),
    arguments: args,
    timeout: seconds,
    in_background: anything,
    priority: anything,
    other: anything,
  },
  { requiredKeys: [] },
);

describe('quickInput', () => {
  it('takes nothing that the schema refuses, and makes the same of it', () => {
    let taken = 0;
    fc.assert(
      fc.property(fc.oneof(plain, plain, odd, anything), (given) => {
        const quick = quickInput('execute_tool', given);
        if (quick === undefined) return;
        taken += 1;
        expect(operations.execute_tool.input().parse(given)).toEqual(quick);
      }),
      { numRuns: 2_000 },
    );
    expect(taken).toBeGreaterThan(50);
  });

  it('takes a plain call, and no other operation', () => {
    const given = { server_name: 's', tool_name: 't', arguments: { a: [1] } };
    expect(quickInput('execute_tool', given)).toEqual(operations.execute_tool.input().parse(given));
    expect(quickInput('execute_tool', { server_name: 's', tool_name: 't' })).toMatchObject({ arguments: {} });
    expect(quickInput('execute_tool', { ...given, in_background: true })).toBeUndefined();
    expect(quickInput('list_servers', {})).toBeUndefined();
  });

  it('takes what it made itself, as it comes to the engine from a front-end', () => {
    const checked = quickInput('execute_tool', { server_name: 's', tool_name: 't' });
    expect(quickInput('execute_tool', JSON.parse(JSON.stringify(checked)))).toEqual(checked);
    expect(quickInput('execute_tool', { ...checked, priority: 2 })).toBeUndefined();
  });
});
