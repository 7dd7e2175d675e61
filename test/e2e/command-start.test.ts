import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { eventually, fixture } from '../support/processes.js';
import { bin, good, type Workplace, workplace } from '../support/runtime.js';

const place = workplace({ engine: 'shared' });

/** What a client says first, and what it asks then; answers come in the order of the questions. */
const HELLO = [
  {
    id: 1,
    method: 'initialize',
    params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'start', version: '1' } },
  },
  { method: 'notifications/initialized' },
  { id: 2, method: 'tools/list' },
  {
    id: 3,
    method: 'tools/call',
    params: {
      name: 'execute_tool',
      arguments: { server_name: 'one', tool_name: 'echo', arguments: { text: 'here' } },
    },
  },
];

/** Starts a front-end by a command line of our own, asks, and waits until it ended. @returns its answers by id. */
async function ask(
  command: string,
  args: string[],
  { env }: Workplace,
  { messages = HELLO, idleMs = 0 }: { messages?: object[]; idleMs?: number } = {},
) {
  const child: ChildProcessWithoutNullStreams = spawn(command, args, { env: { ...process.env, ...env } });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  for (const message of messages) child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
  const expected = messages.filter((message) => 'id' in message).length;
  await eventually(() => stdout.split('\n').length > expected || child.exitCode !== null, 25_000);
  await new Promise((resolve) => setTimeout(resolve, idleMs));
  child.stdin.end();
  const code = await ended;
  const answers = new Map(
    stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as { id: number; result: unknown })
      .map((message) => [message.id, JSON.stringify(message.result)]),
  );
  return { code, answers, stderr };
}

const cacheFiles = ({ home }: Workplace) => readdirSync(join(home, 'code-cache')).sort();

/** The chunks that a process of this role loaded, by the time it ended. */
function chunksOf(here: Workplace, role: string): string[] {
  const [file] = cacheFiles(here).filter((name) => name.startsWith(role));
  const body = readFileSync(join(here.home, 'code-cache', String(file))).subarray(32);
  const list = JSON.parse(body.toString('latin1', 4, 4 + body.readUInt32LE(0))) as [string, number][];
  return list.map(([name]) => name.replace(/-[^-]+$/, '')).sort();
}

describe('the start of the command', () => {
  it('works where a process may open no more than 64 files', async () => {
    const here = place();
    here.servers({ one: good() });
    const { code, answers, stderr } = await ask(
      'prlimit',
      ['--nofile=64', process.execPath, bin, 'serve'],
      here,
    );
    expect(answers.get(2), stderr).toContain('search_tools');
    expect(answers.get(3), stderr).toContain('here');
    expect(code).toBe(0);
  });

  it.each([
    ['nothing for the SDK', [], false],
    ['a second initialize', [{ ...HELLO[0], id: 4 }], true],
  ])('loads the SDK only for who needs it: %s', async (_what, more, needed) => {
    const here = place();
    here.servers({ one: good() });
    const messages = [...HELLO, { id: 9, method: 'resources/list' }, ...more];
    const { code, stderr } = await ask(process.execPath, [bin, 'serve'], here, { messages });
    expect(code, stderr).toBe(0);
    expect(chunksOf(here, 'serve-')).toContain('mcp');
    expect(chunksOf(here, 'serve-').includes('sdk')).toBe(needed);
  });

  it('keeps what was compiled for the next start, for this user alone, and does without what is damaged', async () => {
    const here = place();
    here.servers({ one: good() });
    const serve = [bin, 'serve'];
    await ask(process.execPath, serve, here);
    const [file] = cacheFiles(here).filter((name) => name.startsWith('serve-'));
    const path = join(here.home, 'code-cache', String(file));
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(here.home, 'code-cache')).mode & 0o777).toBe(0o700);
    const whole = readFileSync(path);

    // Used as it is: a start that finds everything leaves the file alone.
    await ask(process.execPath, serve, here);
    expect(readFileSync(path).equals(whole)).toBe(true);

    // V8 would run a damaged byte; the hash says no, and the file is made anew.
    const damaged = Buffer.from(whole);
    damaged.writeUInt8(damaged.readUInt8(damaged.length >> 1) ^ 0x55, damaged.length >> 1);
    writeFileSync(path, damaged);
    const after = await ask(process.execPath, serve, here);
    expect(after.answers.get(3), after.stderr).toContain('here');
    expect(readFileSync(path).equals(damaged)).toBe(false);

    // What others could have written is not trusted either.
    chmodSync(path, 0o666);
    const open = await ask(process.execPath, serve, here);
    expect(open.answers.get(3), open.stderr).toContain('here');
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it('gives a front-end neither the database nor the engine, and an engine no face', async () => {
    const here = place();
    here.servers({ one: good() });
    await ask(process.execPath, [bin, 'serve'], here);
    // The engine keeps what it compiled when it ends.
    await here.command('engine', 'stop');
    await eventually(() => cacheFiles(here).some((name) => name.startsWith('engine-')));
    expect(chunksOf(here, 'serve-')).toEqual(expect.arrayContaining(['main', 'mcp', 'serve', 'wire']));
    for (const other of ['engine', 'sqlite', 'http', 'config'])
      expect(chunksOf(here, 'serve-')).not.toContain(other);
    expect(chunksOf(here, 'engine-')).toContain('engine');
    for (const other of ['mcp', 'sdk', 'http', 'regex'])
      expect(chunksOf(here, 'engine-')).not.toContain(other);

    // The next engine takes all of it, though the flags of V8 are others once it runs.
    const [file] = cacheFiles(here).filter((name) => name.startsWith('engine-'));
    const kept = () => statSync(join(here.home, 'code-cache', String(file))).ino;
    const first = kept();
    await ask(process.execPath, [bin, 'serve'], here);
    await here.command('engine', 'stop');
    expect(kept()).toBe(first);
  });

  it('takes what was compiled also where memory was given back meanwhile', async () => {
    const here = place();
    here.servers({ one: good() });
    const kept = () =>
      cacheFiles(here).map((name) => `${name} ${statSync(join(here.home, 'code-cache', name)).ino}`);
    // Idle is noticed after 1.5 s, or 3 where the start was still going on at the first look.
    await ask(process.execPath, [bin, 'serve'], here, { idleMs: 3_200 });
    await here.command('engine', 'stop');
    const first = kept().filter((name) => /^(serve|engine)-/.test(name));
    expect(first).toHaveLength(2);
    await ask(process.execPath, [bin, 'serve'], here);
    await here.command('engine', 'stop');
    expect(kept()).toEqual(expect.arrayContaining(first));
  });

  // Under any flag V8 compiles each of them anew, which made a start of the engine 60 ms longer.
  it('takes what Node brings compiled of its own modules: no flag of V8 is set before', async () => {
    const here = place();
    here.servers({ one: good() });
    const compiledAnew = (who: string) =>
      JSON.parse(readFileSync(join(here.folder, who), 'utf8')) as string[];
    const hooked = (who: string, ...args: string[]) => ({
      args: ['--expose-internals', '--require', fixture('node-modules-compiled.cjs'), bin, ...args],
      env: { ...here.env, COMPILED_ANEW: join(here.folder, who) },
    });

    for (const kind of ['embedded', 'shared']) {
      const front = hooked(kind, 'serve', '--engine', kind);
      const { code, stderr } = await ask(process.execPath, front.args, { ...here, env: front.env });
      expect(code, stderr).toBe(0);
      // A few have no compiled code in Node itself.
      expect(compiledAnew(kind).length, `${kind}: ${compiledAnew(kind)}`).toBeLessThan(4);
    }

    // How a front-end starts it: no flag before the file.
    const { engine: shared } = await here.command('engine', 'status');
    const { pid } = shared as { pid: number };
    expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[1]).toMatch(/bin\.cjs$/);
    await here.command('engine', 'stop');

    const engine = hooked('engine', 'engine', 'run');
    const child = spawn(process.execPath, engine.args, {
      env: { ...process.env, ...engine.env },
      stdio: 'ignore',
    });
    const ended = new Promise((resolve) => child.once('exit', resolve));
    await eventually(async () => (await here.command('engine', 'status'))['running'] === true);
    await here.command('engine', 'stop');
    await ended;
    expect(compiledAnew('engine').length, String(compiledAnew('engine'))).toBeLessThan(4);
  });

  it('has its database also where it cannot see for which libc Node was made', async () => {
    const here = place();
    here.servers({});
    const elsewhere = join(here.folder, 'elsewhere.cjs');
    writeFileSync(elsewhere, "process.execPath = '/nowhere/node';\n");
    const args = ['--require', elsewhere, bin, 'ps', '--json'];
    const { code, stderr } = await ask(process.execPath, args, here, { messages: [] });
    expect(code, stderr).toBe(0);
  });

  it('says where in the source something went wrong, when it is run again as it asks', async () => {
    const here = place();
    here.servers({});
    const breaker = join(here.folder, 'breaker.cjs');
    writeFileSync(breaker, "process.stdout.write = () => { throw new Error('broken'); };\n");
    const { stderr } = await ask(
      process.execPath,
      ['--require', breaker, bin, 'ps', '--log-level', 'debug'],
      here,
      { messages: [] },
    );
    expect(stderr).toContain('broken');
    expect(stderr).toMatch(/src\/cli\/output\.ts:\d+/);
  });
});
