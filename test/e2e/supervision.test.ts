import { statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { resolveServer } from '../../src/config/server-entry.js';
import type { ServerLimits, ServerState } from '../../src/core/server.js';
import { watchFamily } from '../../src/upstream/stdio/family-watch.js';
import { ProcessFamily } from '../../src/upstream/stdio/process-family.js';
import { eventually, fixture, hostile, isAlive } from '../support/processes.js';
import { supervision } from '../support/supervision.js';
import { bench, errorOf, remoteDefinition, stdioDefinition, textOf, within } from '../support/upstream.js';

const at = supervision();
const hog = fixture('hog-server.mjs');
const me = { clientId: 'me' };
const open = () => new AbortController().signal;

describe('restart: always', () => {
  it('LIF-05: comes back by itself, up to the budget, and then waits to be asked', async () => {
    const { supervisor, server, starts, states } = at();
    await supervisor.setDefinitions(
      [server('loop', hostile('crash-loop'), ['60'], { restart: 'always' })],
      new Set(),
    );
    await supervisor.start('loop', me, open());
    // Nobody calls it again.
    await eventually(() => supervisor.state('loop').status === 'failed', 20_000);
    expect(starts('loop')).toBe(6);
    const waits = states.flatMap(({ state }: { state: ServerState }) =>
      state.status === 'backing-off' ? [state.attempts] : [],
    );
    expect(waits).toEqual([2, 3, 4, 5]);
    await supervisor.start('loop', me, open());
    expect(starts('loop')).toBe(7);
  });

  it('on-failure comes back with the next call alone', async () => {
    const { supervisor, server, starts } = at();
    await supervisor.setDefinitions([server('crash', hostile('crash-on-call'))], new Set());
    {
      using lease = await supervisor.lease('crash', me, open());
      await errorOf(lease.session.callTool('crash', { how: 'exit' }, within()));
    }
    await eventually(() => supervisor.state('crash').status === 'stopped');
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(starts('crash')).toBe(1);
  });

  it('does not come back when nobody is there', async () => {
    const { supervisor, server, starts } = at();
    const definition = server('loop', hostile('crash-loop'), ['100'], { restart: 'always' });
    await supervisor.setDefinitions([definition], new Set());
    await supervisor.start('loop', me, open());
    await eventually(() => supervisor.state('loop').status === 'backing-off', 20_000);
    await supervisor.stopIdle();
    const before = starts('loop');
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(starts('loop')).toBe(before);
  });
});

describe('RES-03 memoryLimit', () => {
  const limit = 160 * 1_048_576;

  it.each([
    ['the server itself', 'eat', {}],
    ['a helper of it', 'fork', {}],
    ['a helper that left its group', 'fork', { detached: true }],
  ])('%s: is named, and only that family ends', async (_who, tool, more) => {
    const { supervisor, server, pids } = at();
    await supervisor.setDefinitions(
      [server('hog', hog, [], { limits: { memoryBytes: limit } }), server('good')],
      new Set(),
    );
    const neighbour = await supervisor.lease('good', me, open());
    using lease = await supervisor.lease('hog', me, open());
    const pid = lease.session.pid ?? 0;
    const call = lease.session
      .callTool(tool, { mb: 300, ...more }, within(20_000))
      .catch((error: unknown) => error);
    const end = await lease.session.ended;
    expect(end.message).toMatch(/held \d+ MiB of memory, above its memoryLimit of 160 MiB/);
    if (tool === 'eat')
      expect(await call).toMatchObject({
        code: 'SERVER_DIED',
        message: expect.stringMatching(
          /"hog" ended before it answered tools\/call: .*memoryLimit of 160 MiB/,
        ),
      });
    const state = supervisor.state('hog');
    expect(state).toMatchObject({
      status: 'stopped',
      lastProblem: { message: expect.stringContaining('memoryLimit') },
    });
    expect(isAlive(pid)).toBe(false);
    expect(pids()).toEqual([neighbour.session.pid]);
    expect(await textOf(neighbour.session.callTool('echo', { text: 'fine' }, within()))).toBe('fine');
    neighbour[Symbol.dispose]();
  });

  it('below it nothing happens', async () => {
    const { supervisor, server } = at();
    await supervisor.setDefinitions(
      [server('hog', hog, [], { limits: { memoryBytes: 2 * limit } })],
      new Set(),
    );
    using lease = await supervisor.lease('hog', me, open());
    void lease.session.callTool('eat', { mb: 20 }, within(2_000)).catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 4_500));
    expect(supervisor.state('hog').status).toBe('ready');
  });
});

describe('RES-03 limits', () => {
  const bed = bench();
  const hogWith = (limits: ServerLimits, options = {}) =>
    bed().open(stdioDefinition(hog, [], { name: 'hog', limits }), options);

  it('too many processes: is named, and the family ends', async () => {
    const session = await hogWith({ processes: 8 });
    const call = errorOf(session.callTool('procs', { n: 20 }, within(20_000)));
    expect((await call).message).toMatch(/had \d+ processes, above its limit of 8/);
    await session.ended;
  });

  it('a processor that is kept busy', async () => {
    const session = await hogWith({});
    const family = new ProcessFamily(session.pid ?? 0, bed().marker);
    void session.callTool('spin', { ms: 20_000 }, within(30_000)).catch(() => {});
    // Looks ten times as often as the real one, so for three seconds.
    const why = await watchFamily(family, { cpuCores: 0.05 }, open(), 200);
    expect(why).toMatch(/kept \d\.\d processors busy for 3 s, above its limit of 0\.05/);
  });

  it('open files: the server hears of it, and lives', async () => {
    const session = await hogWith({ openFiles: 64 });
    expect(await textOf(session.callTool('fds', { n: 500 }, within()))).toMatch(/^EMFILE after \d\d$/);
    expect(await textOf(session.callTool('echo', { text: 'fine' }, within()))).toBe('fine');
    const free = await hogWith({ processes: 50 });
    expect(await textOf(free.callTool('fds', { n: 500 }, within()))).toBe('opened 500');
  });

  it('the size of a file: whatever the server makes of it, the file is no larger', async () => {
    const session = await hogWith({ fileBytes: 2 * 1_048_576 });
    const file = join(at().folder, 'large');
    const said = await session.callTool('write', { mb: 8, file }, within()).then(
      ({ value }) => String(value.content?.[0]?.['text']),
      (error: Error) => error.message,
    );
    expect(said).not.toBe('wrote 8');
    expect(statSync(file).size).toBeLessThanOrEqual(2 * 1_048_576);
  });

  it('where they cannot be kept the server is not started without them', async () => {
    const error = await errorOf(hogWith({ openFiles: 64 }, { baseEnv: { PATH: '/nowhere' } }));
    expect(error).toMatchObject({ code: 'SERVER_START_FAILED', retryable: false });
    expect(error.message).toContain('prlimit (of util-linux) is not installed');
  });

  it('a command that does not exist is told of as ever', async () => {
    const definition = stdioDefinition('', [], { command: 'no-such-program', limits: { openFiles: 64 } });
    expect((await errorOf(bed().open(definition))).message).toContain(
      '"no-such-program" was not found in PATH',
    );
  });

  it('in the servers file: memoryLimit is limits.memory; not for a server that runs elsewhere', () => {
    const options = { environment: {}, baseDirectory: '/' };
    const entry = { command: 'x', memoryLimit: 64, limits: { openFiles: 100, fileSize: 2 } };
    expect(resolveServer('a', entry, options).definition?.limits).toEqual({
      memoryBytes: 64 * 1_048_576,
      openFiles: 100,
      fileBytes: 2 * 1_048_576,
    });
    expect(resolveServer('a', { command: 'x' }, options).definition).not.toHaveProperty('limits');
    expect(resolveServer('a', { url: 'http://h/', memoryLimit: 64 }, options)).toMatchObject({
      error: expect.stringContaining('it runs elsewhere'),
    });
    expect(resolveServer('a', { command: 'x', limits: { disk: 1 } }, options).definition).toBeUndefined();
  });
});

describe('maxConcurrency', () => {
  it('is shared in turns between clients: one that asks much does not keep out another', async () => {
    const { supervisor, server } = at();
    await supervisor.setDefinitions([server('good', undefined, [], { maxConcurrency: 1 })], new Set());
    const order: string[] = [];
    const call = async (clientId: string) => {
      using lease = await supervisor.lease('good', { clientId }, open());
      order.push(clientId);
      await lease.session.callTool('sleep', { ms: 20, steps: 1 }, within());
    };
    await call('first');
    await Promise.all([...Array.from({ length: 20 }, () => call('greedy')), call('modest'), call('modest')]);
    const greedyBefore = order.slice(1, order.lastIndexOf('modest')).filter((who) => who === 'greedy');
    expect(greedyBefore.length).toBeLessThanOrEqual(4);
    expect(order).toHaveLength(23);
  });
});

describe('a stop that is hurried', () => {
  const bed = bench();

  it('ends a calm close at the faster pace', async () => {
    const session = await bed().hostile('ignores-sigterm');
    const begun = performance.now();
    const calm = session.close('calm');
    await new Promise((resolve) => setTimeout(resolve, 200));
    await session.close('hasty');
    const end = await calm;
    expect(end.exitSignal).toBe('SIGKILL');
    // Calm takes five seconds.
    expect(performance.now() - begun).toBeLessThan(4_000);
  });

  it('LIF-06: an engine that closes hurries a stop that waits for a running call', async () => {
    const { supervisor, server } = at();
    await supervisor.setDefinitions([server('stubborn', hostile('ignores-sigterm'))], new Set());
    const lease = await supervisor.lease('stubborn', me, open());
    const begun = performance.now();
    const stopping = supervisor.stop('stubborn');
    await supervisor.close();
    await stopping;
    lease[Symbol.dispose]();
    // Two seconds for the call and five for the process, if nothing hurried it.
    expect(performance.now() - begun).toBeLessThan(5_500);
  });
});

describe('LIF-03 a slow start', () => {
  const bed = bench();

  it('the budget of a call counts from when the server is ready', async () => {
    const session = await bed().hostile('slow-start', ['700']);
    expect(await textOf(session.callTool('echo', { text: 'up' }, within(600)))).toBe('up');
  });
});

describe('SOK-03 starts and stops of each transport', () => {
  const bed = bench();

  it.each([
    ['stdio', []],
    ['streamable-http', ['http', '0', 'sse']],
    ['sse', ['sse', '0']],
  ] as const)(
    '%s: fifteen, and nothing is left (a thousand in `npm run soak -- cycles`)',
    async (transport, args) => {
      const good = fixture('good-server.mjs');
      const url = async () => {
        const { port } = await bed().http(good, args);
        return `http://127.0.0.1:${port}/${transport === 'sse' ? 'sse' : 'mcp'}`;
      };
      const definition =
        transport === 'stdio' ? stdioDefinition(good) : remoteDefinition(transport, await url());
      for (let i = 0; i < 15; i += 1) {
        const session = await bed().open(definition);
        expect(await textOf(session.callTool('echo', { text: `n${i}` }, within()))).toBe(`n${i}`);
        await session.close();
      }
    },
  );
});
