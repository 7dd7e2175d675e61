import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ContentManager } from './content-manager.js';

/** Rounds of the crash test; the full proof takes 200. */
const ROUNDS = Number(process.env['CRASH_ROUNDS'] ?? 6);

const preamble = `
import { ContentManager } from './dist/content/content-manager.js';
import { appendFileSync, openSync, closeSync, readdirSync } from 'node:fs';
const [directory, log] = process.argv.slice(2);
const text = (data) => ({ kind: 'text', mimeType: 'text/plain', data });
const outcome = (promise) => promise.then(() => 'stored', (error) => error.code + ': ' + error.message);
const partials = () => readdirSync(directory).filter((name) => name.endsWith('.partial')).length;
const say = (facts) => console.log(JSON.stringify(facts));
const content = await ContentManager.open({ directory });
`;

const writer = `${preamble}
let n = 0;
const work = async (lane) => {
  for (;;) {
    n += 1;
    const data = (lane + ':' + n + ':' + Math.random() + '\\n').repeat(1 + Math.floor(Math.random() * 20000));
    const ref = await content.put('ann', text(data));
    appendFileSync(log, ref.id + ' ' + ref.sha256 + '\\n');
    if (n % 5 === 0) await content.read('ann', ref.id, { lines: '1' });
  }
};
process.stdout.write('writing');
await Promise.all([0, 1, 2, 3].map(work));
`;

const fileSize = `${preamble}
const small = await outcome(content.put('ann', text('small')));
const large = await outcome(content.put('ann', text('x'.repeat(2_000_000))));
const stream = await outcome(content.put('ann', { kind: 'binary', mimeType: 'a/b', data: (async function* () {
  for (let n = 0; n < 40; n += 1) yield Buffer.alloc(50_000);
})() }));
say({ small, large, stream, after: await outcome(content.put('ann', text('again'))), partials: partials() });
`;

const descriptors = `${preamble}
await content.put('ann', text('warm'));
const held = [];
try { for (;;) held.push(openSync('/dev/null')); } catch {}
const full = await outcome(content.put('ann', text('no descriptor left')));
for (const fd of held) closeSync(fd);
say({ full, after: await outcome(content.put('ann', text('again'))), partials: partials() });
`;

const disk = `${preamble}
const kept = await content.put('ann', text('kept'));
const full = await outcome(content.put('ann', text('x'.repeat(3_000_000))));
const afterFull = await outcome(content.put('ann', text('fits again')));
const read = (await content.read('ann', kept.id)).text;
say({ full, afterFull, read, partials: partials() });
`;

const readOnly = `
import { ContentManager } from './dist/content/content-manager.js';
const opened = ContentManager.open({ directory: process.argv[2] });
const put = opened.then((content) => content.put('ann', { kind: 'text', mimeType: 'text/plain', data: 'no' }));
await put.then(() => console.log('stored'), (error) => console.log(error.code + ': ' + error.message));
`;

describe.skipIf(process.platform === 'win32')('content store under faults', () => {
  const source = dirname(fileURLToPath(import.meta.url));
  const repo = resolve(source, '../..');
  let home = '';
  let room = 0;
  const fresh = () => {
    room += 1;
    return { directory: join(home, `content-${room}`), log: join(home, `log-${room}`) };
  };
  const scriptOf = (name: string, code: string) => {
    const path = join(home, `${name}.mjs`);
    writeFileSync(path, code);
    return path;
  };

  // A fault like these needs a process of its own, and Node 20 does not run TypeScript.
  beforeAll(() => {
    home = mkdtempSync(join(tmpdir(), 'mcprt-faults-'));
    symlinkSync(join(repo, 'node_modules'), join(home, 'node_modules'));
    writeFileSync(join(home, 'package.json'), '{"type":"module"}');
    const config = {
      extends: join(repo, 'tsconfig.json'),
      compilerOptions: {
        noEmit: false,
        rootDir: join(repo, 'src'),
        outDir: join(home, 'dist'),
        typeRoots: [join(repo, 'node_modules/@types')],
      },
      include: [],
      files: [join(source, 'content-manager.ts')],
    };
    writeFileSync(join(home, 'tsconfig.json'), JSON.stringify(config));
    const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');
    execFileSync(process.execPath, [tsc, '-p', join(home, 'tsconfig.json')], { stdio: 'inherit' });
  });
  afterAll(() => rmSync(home, { recursive: true, force: true }));

  it(`STO-05: killed in mid-write ${ROUNDS} times: what was acknowledged is whole, the rest is swept`, async () => {
    const { directory, log } = fresh();
    const script = scriptOf('writer', writer);
    writeFileSync(log, '');
    let acknowledged: string[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const child = spawn(process.execPath, [script, directory, log], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const ended = new Promise((done) => child.once('exit', done));
      await new Promise((ready) => child.stdout.once('data', ready));
      setTimeout(() => child.kill('SIGKILL'), 20 + Math.random() * 200);
      await ended;
      acknowledged = readFileSync(log, 'utf8')
        .split('\n')
        .filter((line) => line.length === 101);
      const content = await ContentManager.open({ directory });
      const files = readdirSync(directory).filter((name) => !name.startsWith('content.db'));
      expect(files.filter((name) => name.endsWith('.partial'))).toEqual([]);
      expect(content.statistics().items).toBe(files.length);
      for (const line of acknowledged.slice(-50)) {
        const [id = '', sha256] = line.split(' ');
        const { text } = await content.read('ann', id);
        expect(
          createHash('sha256')
            .update(text ?? '')
            .digest('hex'),
        ).toBe(sha256);
      }
      content.close();
    }
    expect(acknowledged.length).toBeGreaterThan(0);
  }, 600_000);

  const run = (command: string, name: string, code: string) => {
    const { directory, log } = fresh();
    const script = scriptOf(name, code);
    const args = ['-c', `${command} exec "$0" "$@"`, process.execPath, script, directory, log];
    const done = spawnSync('sh', args, { encoding: 'utf8' });
    return JSON.parse(done.stdout || JSON.stringify({ stderr: done.stderr })) as Record<string, unknown>;
  };

  it('STO-03: a file larger than the process may write is refused in plain words and leaves nothing', () => {
    expect(run('ulimit -f 1000;', 'file-size', fileSize)).toEqual({
      small: 'stored',
      large: 'STORAGE_FAILED: Keeping the content failed: the file is larger than this process may write.',
      stream: 'STORAGE_FAILED: Keeping the content failed: the file is larger than this process may write.',
      after: 'stored',
      partials: 0,
    });
  });

  it('STO-03: without a descriptor left a put fails, and works again afterwards', () => {
    expect(run('ulimit -n 60;', 'descriptors', descriptors)).toEqual({
      full: expect.stringMatching(/^STORAGE_FAILED: .*(too many files are open|unable to open database)/),
      after: 'stored',
      partials: 0,
    });
  });

  const canMount =
    spawnSync('unshare', ['-r', '-m', 'sh', '-c', 'mount -t tmpfs -o size=1m none /mnt']).status === 0;

  it.skipIf(!canMount)('STO-03: a full disk and a read-only one fail in plain words, and room helps', () => {
    const mount = join(home, 'small-disk');
    mkdirSync(mount);
    const scripts = [scriptOf('disk', disk), scriptOf('read-only', readOnly)];
    const shell = `mount -t tmpfs -o size=2m,mode=700 none "$1" && "$2" "$3" "$1/content" none &&
      mount -o remount,ro "$1" && exec "$2" "$4" "$1/content"`;
    const args = ['-r', '-m', 'sh', '-c', shell, 'sh', mount, process.execPath, ...scripts];
    const [first = '', second] = spawnSync('unshare', args, { encoding: 'utf8' }).stdout.split('\n');
    expect(JSON.parse(first)).toEqual({
      full: 'STORAGE_FAILED: Keeping the content failed: the disk is full.',
      afterFull: 'stored',
      read: 'kept',
      partials: 0,
    });
    expect(second).toMatch(/^(STORAGE_FAILED|HOME_UNUSABLE): .*(read-only|readonly)/);
  });
});
