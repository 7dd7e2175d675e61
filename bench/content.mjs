// npm run bench -- content
// Large results kept outside the context, against writing the same bytes to a file; tasks in the background, against the
// same calls without the queue. Each row runs in a process of its own, so that its peak of memory is its own.
import { execFileSync } from 'node:child_process';
import { closeSync, fsyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SIZES_MB = [1, 10, 50, 200];
const TASKS = 1_000;
const self = fileURLToPath(import.meta.url);
const dist = (path) => import(new URL(`../dist/${path}`, import.meta.url).href);
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const round = (value, digits = 0) => Number(value.toFixed(digits));

export async function run() {
  const child = (...args) =>
    JSON.parse(
      execFileSync(process.execPath, ['--expose-gc', self, ...args], { encoding: 'utf8', maxBuffer: 1e8 }),
    );
  const kinds = ['text', 'json', 'base64'];
  return [
    ...SIZES_MB.flatMap((mb) =>
      (mb === 1 || mb === 50 ? kinds : ['text']).map((kind) => child('keep', kind, String(mb))),
    ),
    child('tasks'),
  ];
}

/** The bytes of a result as a server would write them, and the bytes that are to be kept of it. */
function resultOf(kind, bytes, seed) {
  const line =
    kind === 'json'
      ? (n) => `{"id":${n},"name":"item ${n}","tags":["a","b"],"price":${n % 997}.5},`
      : (n) => `line ${n} of a long text, with "quotes", a tab\tand some words to fill it\n`;
  const block = [];
  for (let n = seed * 10_000, size = 0; size < 1_000_000; n += 1) {
    const text =
      kind === 'base64'
        ? Buffer.from(`${n}-some-pixels-of-an-image`).toString('base64url').slice(0, 32)
        : line(n);
    block.push(text);
    size += text.length;
  }
  const text = block.join('');
  const times = Math.max(1, Math.round(bytes / text.length));
  const inner = Buffer.from(JSON.stringify(text).slice(1, -1));
  const [head, tail] =
    kind === 'base64'
      ? ['{"content":[{"type":"audio","mimeType":"audio/wav","data":"', '"}]}']
      : ['{"content":[{"type":"text","text":"', '"}]}'];
  const kept = Buffer.concat(Array(times).fill(Buffer.from(text)));
  const result = Buffer.concat([Buffer.from(head), ...Array(times).fill(inner), Buffer.from(tail)]);
  return { result, kept: kind === 'base64' ? Buffer.from(kept.toString('latin1'), 'base64') : kept };
}

async function keep(kind, mb) {
  const [{ ContentManager }, { Payload }] = await Promise.all([
    dist('content/content-manager.js'),
    dist('core/payload.js'),
  ]);
  const directory = mkdtempSync(join(tmpdir(), 'mcprt-bench-'));
  try {
    const content = await ContentManager.open({ directory });
    // The tokenizer is loaded once in the life of an engine.
    await content.offload(Payload.fromBytes(resultOf('text', 1e5, 0).result), { principal: 'p' });
    const raw = [];
    const offload = [];
    let peak = 0;
    for (let turn = 1; turn <= 5; turn += 1) {
      const { result, kept } = resultOf(kind, mb * 1e6, turn);
      let begun = performance.now();
      const file = openSync(join(directory, `raw-${turn}`), 'w');
      for (let at = 0; at < kept.length; ) at += writeSync(file, kept, at);
      fsyncSync(file);
      closeSync(file);
      raw.push(performance.now() - begun);
      globalThis.gc?.();
      const before = process.memoryUsage.rss();
      let most = before;
      const watch = setInterval(() => {
        most = Math.max(most, process.memoryUsage.rss());
      }, 5);
      begun = performance.now();
      await content.offload(Payload.fromBytes(result), { principal: 'p' });
      offload.push(performance.now() - begun);
      clearInterval(watch);
      peak = Math.max(peak, Math.max(most, process.memoryUsage.rss()) - before);
    }
    content.close();
    return {
      what: `keep ${mb} MB of ${kind}`,
      ms: round(median(offload)),
      'MB/s': round(mb / (median(offload) / 1000)),
      'raw write ms': round(median(raw)),
      'peak MB beyond the result': round(peak / 1e6),
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function tasks() {
  const [{ TaskQueue }, { openSession }] = await Promise.all([
    dist('tasks/task-queue.js'),
    dist('upstream/open-session.js'),
  ]);
  const directory = mkdtempSync(join(tmpdir(), 'mcprt-bench-'));
  const silent = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };
  const session = await openSession(
    {
      name: 'good',
      transport: 'stdio',
      command: process.execPath,
      args: [fileURLToPath(new URL('../test/fixtures/good-server.mjs', import.meta.url))],
      env: {},
      startTimeoutMs: 20_000,
    },
    {
      signal: new AbortController().signal,
      marker: { name: 'MCP_RUNTIME_BENCH', value: 'content' },
      baseEnv: { PATH: process.env.PATH },
      logger: silent,
      clientInfo: { name: 'bench', version: '1' },
    },
  );
  try {
    const call = (signal = new AbortController().signal) =>
      session.callTool('echo', { text: 'x' }, { signal, timeoutMs: 10_000 });
    for (let n = 0; n < 200; n += 1) await call();
    let begun = performance.now();
    await Promise.all(
      Array.from({ length: 4 }, async () => {
        for (let n = 0; n < TASKS / 4; n += 1) await call();
      }),
    );
    const direct = performance.now() - begun;
    const queue = await TaskQueue.open({
      database: join(directory, 'tasks.db'),
      directory: join(directory, 'tasks'),
      size: TASKS,
      workers: 4,
      run: (_task, { signal }) => call(signal),
    });
    queue.recover();
    begun = performance.now();
    const task = {
      principal: 'p',
      clientId: 'c',
      server: 'good',
      tool: 'echo',
      arguments: { text: 'x' },
      priority: 1,
      timeoutMs: 60_000,
      idempotent: false,
      maxPerServer: 4,
    };
    const ids = [];
    for (let n = 0; n < TASKS; n += 1) ids.push((await queue.submit(task)).id);
    const accepted = performance.now() - begun;
    // Asked one by one: counting the whole table all the time would be measured too.
    for (const id of ids) await queue.wait('p', id, 60_000);
    const completed = performance.now() - begun;
    await queue.close();
    return {
      what: `${TASKS} tasks, 4 workers`,
      'accepted/s': round(TASKS / (accepted / 1000)),
      'completed/s': round(TASKS / (completed / 1000)),
      'calls/s without the queue': round(TASKS / (direct / 1000)),
    };
  } finally {
    await session.close('brisk');
    rmSync(directory, { recursive: true, force: true });
  }
}

if (process.argv[1] === self && process.argv[2]) {
  const [, , what, kind, mb] = process.argv;
  console.log(JSON.stringify(what === 'tasks' ? await tasks() : await keep(kind, Number(mb))));
}
