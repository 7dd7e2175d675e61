import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { startClient } from '../../bench/lib/raw-client.mjs';
import { bin, good, workplace } from '../support/runtime.js';

/** Calls of each client, spread over all servers. LOAD_CALLS=10000 makes the hundred thousand. */
const CALLS = Number(process.env['LOAD_CALLS'] ?? 1_000);
const CLIENTS = 10;
const SERVERS = 10;
const IN_FLIGHT = 16;

describe('ten clients, ten servers', () => {
  const at = workplace({ engine: 'shared' });

  it('every call gets its own answer, none lost or crossed, from one process per server', async () => {
    const names = Array.from({ length: SERVERS }, (_, index) => `s${index}`);
    at().servers(Object.fromEntries(names.map((name) => [name, good()])));
    const clients = await Promise.all(
      Array.from({ length: CLIENTS }, () => startClient(process.execPath, [bin, 'serve'], at().env)),
    );
    try {
      const pids = new Map<string, Set<string>>(names.map((name) => [name, new Set()]));
      let answered = 0;
      await Promise.all(
        clients.map(async (client) => {
          for (const name of names) {
            const { result } = await client.call('execute_tool', {
              server_name: name,
              tool_name: 'pid',
              arguments: {},
            });
            pids.get(name)?.add(String(result.content?.[0]?.text));
          }
          let next = 0;
          const worker = async () => {
            for (let call = next++; call < CALLS; call = next++) {
              const text = randomUUID();
              const { result } = await client.call('execute_tool', {
                server_name: names[call % SERVERS],
                tool_name: 'echo',
                arguments: { text },
              });
              if (result.content?.[0]?.text !== text)
                throw new Error(`${text} was answered with ${JSON.stringify(result)}`);
              answered += 1;
            }
          };
          await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
        }),
      );
      expect(answered).toBe(CLIENTS * CALLS);
      expect([...pids.values()].map((set) => set.size)).toEqual(names.map(() => 1));
    } finally {
      await Promise.all(clients.map((client) => client.close()));
    }
  }, 600_000);
});
