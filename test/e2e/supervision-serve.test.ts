import { spawn } from 'node:child_process';
import type { RequestListener } from 'node:http';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { localServers, MIB } from '../support/http-servers.js';
import {
  eventually,
  fixture,
  hostile,
  isAlive,
  pidsWith,
  type RunningServer,
  residentBytes,
  startHttpFixture,
} from '../support/processes.js';
import { good, node, textOf, workplace } from '../support/runtime.js';

const at = workplace();
const local = localServers();
const http: RunningServer[] = [];
afterEach(async () => {
  await Promise.all(http.splice(0).map((server) => server.stop()));
});
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function remote(name: string, ...args: string[]) {
  const server = await startHttpFixture(hostile(name), ['0', ...args]);
  http.push(server);
  const base = `http://127.0.0.1:${server.port}`;
  const hits = async (rpc?: string) =>
    ((await (await fetch(`${base}/__hits`)).json()) as { rpc?: string; url: string }[]).filter(
      (hit) => rpc === undefined || hit.rpc === rpc,
    );
  return { entry: { url: `${base}/mcp` }, base, hits };
}

describe('DWN-05 calls that hang, through serve', () => {
  it('hold back no other, end at their deadline, are cancelled upstream by their ids', async () => {
    at().servers({ hang: node(hostile('hang-on-call')) });
    const client = await at().client();
    await client.learnt();
    await client.execute('hang', 'echo', { text: 'up' });
    const hung = Array.from({ length: 10 }, () => client.execute('hang', 'hang', {}, { timeout: 4 }));
    const echos = await Promise.all(
      Array.from({ length: 50 }, (_, index) => client.execute('hang', 'echo', { text: `n${index}` })),
    );
    expect(echos.map(textOf)).toEqual(Array.from({ length: 50 }, (_, index) => `n${index}`));
    for (const result of await Promise.all(hung)) {
      expect(result.isError).toBe(true);
      expect(textOf(result)).toMatch(
        /"hang" did not answer tools\/call within 4000 ms.*may have been executed/,
      );
    }
    const cancelled = await eventually(() => {
      const seen = at().events('hang', 'cancelled');
      return seen.length === 10 ? seen : undefined;
    });
    const asked = new Set(
      at()
        .events('hang', 'recv')
        .filter((event) => event['method'] === 'tools/call')
        .map((event) => event['id']),
    );
    for (const event of cancelled) expect(asked.has(event['requestId'])).toBe(true);
    // Once to be learnt, once to serve: never again.
    expect(at().events('hang', 'start').length).toBeLessThanOrEqual(2);
  });
});

describe('DWN-06 an answer after the deadline, through serve', () => {
  it.each([false, true])(
    'in the background: %s: the work is done once, and nothing is repeated',
    async (in_background) => {
      at().servers({ late: node(hostile('late-response')) });
      const client = await at().client();
      let result = await client.execute(
        'late',
        'late',
        { ms: 1_500, key: 'k' },
        { timeout: 0.5, in_background },
      );
      if (in_background) {
        const { task_id } = result.structuredContent;
        result = await client.call('poll_task_result', { task_id, wait: 20 });
      } else expect(result.isError).toBe(true);
      expect(textOf(result)).toMatch(/may have been executed/);
      await eventually(() => at().events('late', 'done').length > 0);
      expect(textOf(await client.execute('late', 'echo', { text: 'next' }))).toBe('next');
      await pause(300);
      expect(at().events('late', 'done')).toMatchObject([{ key: 'k' }]);
    },
  );
});

describe('DWN-07 progress, through serve', () => {
  const flood = async (more: Record<string, unknown>, timeout: number) => {
    at().servers({ flood: { ...node(hostile('progress-flood'), '5000'), ...more } });
    const client = await at().client();
    await client.learnt();
    await client.execute('flood', 'echo', { text: 'up' });
    let seen = 0;
    const begun = performance.now();
    const result = (await client.sdk.callTool(
      { name: 'execute_tool', arguments: { server_name: 'flood', tool_name: 'work', timeout } },
      {
        timeout: 60_000,
        onprogress: () => {
          seen += 1;
        },
      },
    )) as { isError?: boolean; content: { type: string; text?: string }[] };
    const ms = performance.now() - begun;
    expect(result.isError).toBe(true);
    await eventually(() => at().events('flood', 'cancelled').length === 1);
    expect(textOf(await client.execute('flood', 'echo', { text: 'alive' }))).toBe('alive');
    return { ms, seen, text: textOf({ ...result, structuredContent: undefined }) };
  };

  it('a flood does not prolong a call, and at most ten reports a second arrive', async () => {
    const { ms, seen, text } = await flood({}, 2);
    expect(text).toContain('within 2000 ms');
    expect(ms).toBeLessThan(8_000);
    expect(seen).toBeGreaterThan(2);
    // Ten in any second of two and a bit, and the last one.
    expect(seen).toBeLessThanOrEqual(3 * 10 + 1);
  });

  it('resetTimeoutOnProgress: it does, up to maxTimeout, and then the server is told to cancel', async () => {
    const { ms, seen, text } = await flood({ resetTimeoutOnProgress: true, maxTimeout: 3 }, 1);
    expect(ms).toBeGreaterThan(2_900);
    expect(ms).toBeLessThan(10_000);
    expect(text).toMatch(/within 3\d{3} ms, progress and all/);
    expect(seen).toBeLessThanOrEqual((ms / 1_000) * 10 + 3);
  });
});

describe('DWN-08 a storm of list_changed, through serve', () => {
  it('two lists a burst at most, one a second at most, and no client is told of what is no change', async () => {
    at().servers({ storm: node(hostile('list-changed-storm'), '5000', '50') });
    const client = await at().client();
    await client.learnt();
    let told = 0;
    client.sdk.setNotificationHandler('notifications/tools/list_changed', () => {
      told += 1;
    });
    for (let burst = 0; burst < 3; burst += 1) await client.execute('storm', 'storm', {});
    await pause(4_000);
    const lists = at()
      .events('storm', 'recv')
      .filter((event) => event['method'] === 'tools/list');
    const bursts = at().events('storm', 'burst').length;
    expect(lists.length).toBeLessThanOrEqual(2 * bursts);
    // Not counting the two starts (to be learnt, to serve), each of which lists at once.
    const byProcess = new Map<number, number[]>();
    for (const { pid, t } of lists) byProcess.set(pid, [...(byProcess.get(pid) ?? []), t]);
    for (const times of byProcess.values())
      for (const [index, t] of times.entries())
        if (index > 0) expect(t - (times[index - 1] ?? 0)).toBeGreaterThan(900);
    expect(told).toBe(0);
    expect(textOf(await client.execute('storm', 'echo', { text: 'fine' }))).not.toBe('');
  });
});

describe('LIF-05 what list_servers says of a server that keeps dying', () => {
  it('that calls fail meanwhile, until when, and why', async () => {
    at().servers({ loop: node(hostile('crash-loop'), '100', '9') });
    const client = await at().client();
    await client.learnt();
    const refused = await eventually(async () => {
      const result = await client.execute('loop', 'echo', { text: 'x' }, { timeout: 5 });
      return /failed repeatedly and is tried again in/.test(textOf(result)) ? result : undefined;
    }, 20_000);
    expect(textOf(refused)).toMatch(
      /Wait until \d{4}-\d\d-\d\dT.*exited with code 9|exited with code 9[\s\S]*Wait until \d{4}-/,
    );
    const { servers } = (await client.call('list_servers')).structuredContent;
    expect(servers[0].state).toMatch(
      /^(?:backing-off, calls fail for .* more \(failure \d\)|stopped|failed)$/,
    );
    expect(servers[0].problem).toContain('code 9');
  });
});

describe('RES-03 memoryLimit, through serve', () => {
  it('is named to the caller and in list_servers; neighbours run on', async () => {
    at().servers({ hog: { ...node(fixture('hog-server.mjs')), memoryLimit: 160 }, good: good() });
    const client = await at().client();
    await client.learnt();
    const neighbour = textOf(await client.execute('good', 'pid'));
    const result = await client.execute('hog', 'eat', { mb: 300 }, { timeout: 30 });
    expect(result.isError).toBe(true);
    expect(textOf(result)).toMatch(/held \d+ MiB of memory, above its memoryLimit of 160 MiB/);
    await eventually(async () => {
      const { servers } = (await client.call('list_servers')).structuredContent;
      return servers.find((one: { server: string }) => one.server === 'hog').problem?.includes('memoryLimit');
    });
    expect(textOf(await client.execute('good', 'pid'))).toBe(neighbour);
    expect(textOf(await client.execute('hog', 'echo', { text: 'again' }))).toBe('again');
  });
});

describe('LIF-10 a server that closes its output, through serve', () => {
  it('under ten calls: all fail at once, the next call has a new one', async () => {
    at().servers({ half: node(hostile('closes-stdout'), 'stdout', '300') });
    const client = await at().client();
    await client.learnt();
    const results = await Promise.all(
      Array.from({ length: 10 }, () => client.execute('half', 'wait', {}, { timeout: 20 })),
    );
    for (const result of results) expect(textOf(result)).toMatch(/closed its output but went on running/);
    const before = new Set(
      at()
        .events('half', 'start')
        .map((event) => event.pid),
    ).size;
    expect(textOf(await client.execute('half', 'wait', {}, { timeout: 20 }))).toMatch(/closed its output/);
    expect(
      new Set(
        at()
          .events('half', 'start')
          .map((event) => event.pid),
      ).size,
    ).toBe(before + 1);
  });

  it('nobody pings: a server that answers no ping is a good server', async () => {
    at().servers({ good: good() });
    const client = await at().client();
    await client.execute('good', 'sleep', { ms: 3_000 });
    expect(
      at()
        .events('good', 'recv')
        .filter((event) => event['method'] === 'ping'),
    ).toEqual([]);
  });
});

describe('RES-04 few descriptors, many servers', () => {
  it('too many open files is a clear error for whoever asks, and the engine lives', async () => {
    const names = Array.from({ length: 60 }, (_, index) => `s${index}`);
    at().servers(Object.fromEntries(names.map((name) => [name, good()])));
    const client = await at().client({ limit: 'ulimit -n 160', env: { LEARN_CONCURRENCY: '1' } });
    const results = await Promise.all(names.map((name) => client.execute(name, 'echo', { text: name })));
    const failed = results.filter((result) => result.isError);
    for (const result of failed) expect(textOf(result)).toMatch(/EMFILE|too many open files|in use/i);
    expect(results.length - failed.length).toBeGreaterThan(5);
    for (const [index, result] of results.entries())
      if (!result.isError) expect(textOf(result)).toBe(`s${index}`);
    expect((await client.call('get_statistics')).isError).not.toBe(true);
    for (const server_name of names) await client.call('manage_server', { server_name, action: 'shutdown' });
    expect(textOf(await client.execute('s0', 'echo', { text: 'still' }))).toBe('still');
  }, 90_000);
});

describe('remote servers, through serve', () => {
  it('REM-01: ten calls meet a forgotten session: one new session, each call executed once', async () => {
    const server = await remote('http-404-session', '12', '404');
    at().servers({ forgets: server.entry });
    const client = await at().client();
    await client.learnt();
    const count = async () => Number(textOf(await client.execute('forgets', 'count')));
    const first = await Promise.all(Array.from({ length: 10 }, count));
    const second = await Promise.all(Array.from({ length: 10 }, count));
    expect([...first, ...second].sort((a, b) => a - b)).toEqual(
      Array.from({ length: 20 }, (_, index) => index + 1),
    );
  });

  it('REM-02: a 500 of a call is told as it is and never repeated', async () => {
    const server = await remote('http-500', 'okthen500');
    at().servers({ broken: server.entry });
    const client = await at().client();
    await client.learnt();
    const result = await client.execute('broken', 'echo', { text: 'x' });
    expect(textOf(result)).toMatch(/"broken" answered tools\/call with HTTP 500/);
    expect(await server.hits('tools/call')).toHaveLength(1);
  });

  it('REM-03: a body that drips ends at the deadline', async () => {
    const server = await remote('http-slow-body', 'drip', '50');
    at().servers({ slow: server.entry });
    const client = await at().client();
    await client.learnt();
    const result = await client.execute('slow', 'echo', { text: 'x' }, { timeout: 1 });
    expect(textOf(result)).toMatch(/within 1000 ms[\s\S]*may have been executed/);
  });

  it('REM-04: a redirect to another origin is refused and named', async () => {
    const server = await remote('http-redirect', '307', 'host');
    at().servers({ lures: server.entry });
    const client = await at().client();
    await client.learnt();
    expect(textOf(await client.execute('lures', 'echo', {}))).toMatch(
      /redirects \(HTTP 307\): to .*, which is not/,
    );
  });

  it('REM-05: a server that asks for authentication: its state, and no bait is taken', async () => {
    const server = await remote('http-401', 'canary');
    at().servers({ closed: server.entry, good: good() });
    const client = await at().client();
    await client.learnt();
    const result = await client.execute('closed', 'echo', {});
    expect(textOf(result)).toMatch(/asks for authentication/);
    const { servers } = (await client.call('list_servers')).structuredContent;
    expect(servers.find((one: { server: string }) => one.server === 'closed').state).toBe('needs-auth');
    expect((await server.hits()).filter((hit) => hit.url.startsWith('/canary'))).toEqual([]);
    expect(textOf(await client.execute('good', 'echo', { text: 'meanwhile' }))).toBe('meanwhile');
  });

  it('REM-07: headers and bodies that are too large are one clear error each, and memory stays', async () => {
    const id = (value: string) => local.listen(answering({ 'mcp-session-id': value }));
    const bomb = gzipSync(Buffer.alloc(192 * MIB, 0x20), { level: 1 });
    const urls = {
      long: await id('x'.repeat(2_000)),
      space: await id('a b'),
      latin: await id('abc\u00e9'),
      huge: await local.listen(answering({ 'x-huge': 'x'.repeat(100_000) })),
      many: await local.listen(answering(Object.fromEntries(headers(3_000)))),
      bomb: await local.listen(answering({ 'content-encoding': 'gzip' }, bomb)),
    };
    at().servers({
      ...Object.fromEntries(Object.entries(urls).map(([name, url]) => [name, { url, timeout: 8 }])),
      good: good(),
    });
    const client = await at().client({ env: { MAX_MESSAGE_MB: '8' } });
    await client.learnt();
    expect(textOf(await client.execute('good', 'echo', { text: 'first' }))).toBe('first');
    const before = residentBytes(client.pid);
    const names = Object.keys(urls);
    const results = await Promise.all(names.map((name) => client.execute(name, 'echo', {})));
    for (const [index, result] of results.entries()) {
      const name = names[index] ?? '';
      const text = textOf(result);
      expect(result.isError).toBe(true);
      expect(text).toContain(`"${name}"`);
      expect(text.length).toBeLessThan(2_048);
      if (['long', 'space', 'latin'].includes(name)) expect(text).toContain('session id');
      if (name === 'bomb') expect(text).toContain('at most 8388608 are accepted');
    }
    expect(residentBytes(client.pid) - before).toBeLessThan(64 * MIB);
    expect(textOf(await client.execute('good', 'echo', { text: 'still' }))).toBe('still');
  }, 60_000);
});

const headers = (count: number): [string, string][] =>
  Array.from({ length: count }, (_, index) => [`x-${index}`, 'y'.repeat(20)]);

/** Answers `initialize` as it should, but for what is given. */
function answering(more: Record<string, string>, body?: Buffer): RequestListener {
  return (req, res) => {
    req.resume();
    const result = {
      protocolVersion: '2025-11-25',
      capabilities: {},
      serverInfo: { name: 'n', version: '1' },
    };
    res.writeHead(200, { 'content-type': 'application/json', ...more });
    res.end(body ?? JSON.stringify({ jsonrpc: '2.0', id: 1, result }));
  };
}

describe('a servers file that is edited while calls run', () => {
  it('nothing in flight is lost: changed servers drain, removed ones end, others run on', async () => {
    at().servers({ kept: good(), changed: good(), removed: good() });
    const client = await at().client();
    await client.learnt();
    const pids = await Promise.all(
      ['kept', 'changed', 'removed'].map(async (name) => textOf(await client.execute(name, 'pid'))),
    );
    const calls = ['kept', 'changed', 'removed'].map((name) => client.execute(name, 'sleep', { ms: 1_500 }));
    await pause(300);
    at().servers({ kept: good(), changed: { ...good(), env: { GOOD_NAME: 'new' } }, added: good() });
    for (const result of await Promise.all(calls)) expect(textOf(result)).toBe('slept 1500 ms');
    await eventually(() => !isAlive(Number(pids[1])) && !isAlive(Number(pids[2])));
    expect(textOf(await client.execute('kept', 'pid'))).toBe(pids[0]);
    expect(textOf(await client.execute('changed', 'env', { name: 'GOOD_NAME' }))).toBe('new');
    expect(textOf(await client.execute('added', 'echo', { text: 'here' }))).toBe('here');
    expect(textOf(await client.execute('removed', 'echo', {}))).toMatch(/no server "removed"/);
  });
});

describe('LIF-08 an engine that is killed', () => {
  const shared = workplace({ engine: 'shared' });

  it('the next one ends what it left; a foreign process that looks the same survives', async () => {
    shared().servers({
      s1: node(hostile('ignores-sigterm')),
      s2: node(hostile('ignores-sigterm')),
      forks: node(hostile('forks-grandchildren'), '2', 'detached'),
      good: good(),
    });
    const decoy = spawn(process.execPath, [hostile('ignores-sigterm')], {
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    try {
      const client = await shared().client();
      for (const name of ['s1', 's2', 'forks', 'good']) await client.execute(name, 'echo', { text: 'x' });
      const status = (await shared().command('ps')) as unknown as { engine: { pid: number } };
      const left = pidsWith(shared().marker).filter((pid) => pid !== client.pid && pid !== status.engine.pid);
      expect(left.length).toBeGreaterThanOrEqual(6);
      process.kill(status.engine.pid, 'SIGKILL');
      await client.close();
      const next = await shared().client();
      expect(textOf(await next.execute('good', 'echo', { text: 'again' }))).toBe('again');
      await eventually(() => left.every((pid) => !isAlive(pid)), 15_000);
      expect(isAlive(decoy.pid ?? 0)).toBe(true);
    } finally {
      decoy.kill('SIGKILL');
    }
  }, 60_000);
});
