/** Broken frames for a face, the same for the same seed, so that a failure comes again. */

/** A generator with a seed (mulberry32). */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** What is broken: one message of each kind. */
export const seeds = [
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

/** One line, ended by a line feed. */
export function mutate(text: string, next: () => number): Buffer {
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
