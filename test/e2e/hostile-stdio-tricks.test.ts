import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { eventually, hostile, pidsWith, residentBytes } from '../support/processes.js';
import { good, node, textOf, workplace } from '../support/runtime.js';

const at = workplace();
const MIB = 1024 * 1024;

describe('RES-01 a line that does not end', () => {
  it.each([true, false])(
    'ends in the end: %s: memory is bounded, others are served',
    async (end) => {
      at().servers({ line: node(hostile('endless-line')), good: good() });
      const client = await at().client();
      await client.learnt();
      await client.execute('line', 'echo', { text: 'up' });
      const before = residentBytes(client.pid);
      let over = false;
      let most = 0;
      const pouring = client.execute('line', 'pour', { mib: 512, end }, { timeout: end ? 100 : 5 });
      void pouring.finally(() => {
        over = true;
      });
      for (let n = 0; !over; n += 1) {
        expect(textOf(await client.execute('good', 'echo', { text: `n${n}` }))).toBe(`n${n}`);
        most = Math.max(most, residentBytes(client.pid));
      }
      if (end) expect(textOf(await pouring)).toBe('poured');
      else expect(textOf(await pouring)).toMatch(/within 5000 ms.*may have been executed/);
      // The limit of a message is 64 MiB; it is held twice when it is reached.
      expect(most - before).toBeLessThan(400 * MIB);
    },
    120_000,
  );
});

describe('DWN-03, DWN-07 a server that goes on about calls which it has answered', () => {
  it('harms nobody: each call gets its own answer, once', async () => {
    at().servers({ late: node(hostile('late-progress')), good: good() });
    const client = await at().client();
    await client.learnt();
    const mixed = await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        n % 2 === 0
          ? client.execute('late', 'work', { n })
          : client.execute('good', 'echo', { text: `done ${n}` }),
      ),
    );
    expect(mixed.map(textOf)).toEqual(Array.from({ length: 20 }, (_, n) => `done ${n}`));
    for (let n = 20; n < 30; n += 1)
      expect(textOf(await client.execute('late', 'work', { n }))).toBe(`done ${n}`);
    await eventually(() => at().events('late', 'flooded').length === 20, 60_000);
    expect(textOf(await client.execute('late', 'echo', { text: 'still' }))).toBe('still');
    expect(at().events('late', 'start').length).toBeLessThanOrEqual(2);
  }, 120_000);
});

describe('LIF-07 a helper that is never the same process for long', () => {
  const helpers = () =>
    pidsWith(at().marker).filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('\0hop\0');
      } catch {
        return false;
      }
    });

  it('is gone when its server was stopped', async () => {
    at().servers({ moves: node(hostile('moves-on'), '200') });
    const client = await at().client();
    await client.learnt();
    await client.execute('moves', 'echo', { text: 'up' });
    await eventually(() => helpers().length > 0);
    expect(
      (await client.call('manage_server', { server_name: 'moves', action: 'shutdown' })).isError,
    ).not.toBe(true);
    expect(helpers()).toEqual([]);
  }, 60_000);

  it('is gone when its server ended by itself, whose calls do not wait for it', async () => {
    at().servers({ moves: { ...node(hostile('moves-on'), '200', 'quit'), restart: 'never' } });
    const client = await at().client();
    await client.learnt();
    expect(textOf(await client.execute('moves', 'echo'))).toMatch(/exited with code 7/);
    await eventually(() => helpers().length === 0, 10_000);
  }, 60_000);
});
