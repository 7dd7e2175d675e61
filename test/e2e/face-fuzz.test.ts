import { expect, it } from 'vitest';
import { rawStdio } from '../support/raw-stdio.js';

/** A generator with a seed (mulberry32), so that a failure comes again. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const seeds = [
  '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"execute_tool","arguments":{"server_name":"f","tool_name":"echo","arguments":{"text":"t"}}}}',
  '{"jsonrpc":"2.0","id":"1","method":"tools/list","params":{"_meta":{"progressToken":1}}}',
  '{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"search_tools","Name":"x","arguments":{"__proto__":{"a":1},"query":"q"}}}',
  '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}',
  '{"jsonrpc":"2.0","method":"notifications/initialized"}',
  '{"jsonrpc":"2.0","id":3,"method":"initialize","params":{"protocolVersion":"2025-03-26","capabilities":{},"clientInfo":{"name":"n","version":"1"}}}',
  '[{"jsonrpc":"2.0","id":4,"method":"ping"},{"jsonrpc":"2.0","method":"x"}]',
  '{"jsonrpc":"2.0","id":5,"result":{}}',
  '{"jsonrpc":"2.0","id":6,"method":"server/discover","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}',
];
const scraps = [
  'null',
  '{}',
  '[]',
  '"',
  '\\',
  '1e999',
  '-0',
  '\u0000',
  '\ud800',
  'true',
  '{"a":',
  '"__proto__":{}',
  '"id":[],',
];

function mutate(text: string, next: () => number): Buffer {
  const pick = <T>(from: readonly T[]) => from[Math.floor(next() * from.length)] as T;
  let frame = text;
  for (let change = Math.floor(next() * 3); change > 0; change -= 1) {
    const at = Math.floor(next() * frame.length);
    const to = at + Math.floor(next() * 12);
    const piece = pick([pick(scraps), '', frame.slice(at, to), String.fromCharCode(next() * 256)]);
    frame = frame.slice(0, at) + piece + frame.slice(next() < 0.5 ? at : to);
  }
  const bytes = Buffer.from(frame.replaceAll('\n', ' '), 'utf8');
  if (next() < 0.05) bytes[Math.floor(next() * bytes.length)] = 0xff;
  return Buffer.concat([bytes, Buffer.from('\n')]);
}

it.each([1, 2, 3])(
  'CLI-04: 10,000 broken frames (seed %i) are answered or ignored, and the service goes on',
  async (seed) => {
    const next = random(seed);
    const raw = rawStdio();
    await raw.initialize(seed === 1 ? '2025-03-26' : '2025-11-25');
    let rest = Buffer.alloc(0);
    for (let n = 0; n < 10_000; n += 1) {
      rest = Buffer.concat([rest, mutate(seeds[n % seeds.length]!, next)]);
      const cut = Math.floor(next() * rest.length);
      raw.stdin.write(rest.subarray(0, cut));
      rest = Buffer.from(rest.subarray(cut));
    }
    raw.stdin.write(rest);
    expect((await raw.request('ping')).result).toEqual({});
    expect((await raw.call('echo', { text: 'still here' })).result.content[0].text).toBe('still here');
    await raw.service.close();
    for (const message of raw.lines().flatMap((line) => JSON.parse(line) as unknown)) {
      expect(message).toMatchObject({ jsonrpc: '2.0' });
      expect(JSON.stringify(message)).not.toMatch(/node_modules|\.ts:\d/);
    }
    expect(({} as Record<string, unknown>)['a']).toBeUndefined();
    expect(raw.runtime.attached.size).toBe(0);
  },
);
