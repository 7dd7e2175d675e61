import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RuntimeError } from '../core/errors.js';
import type { CallToolResult } from '../core/upstream.js';
import { sleep } from '../lib/abort.js';
import { writeFileAtomic } from '../lib/atomic-file.js';
import { createLogger } from '../lib/log.js';
import { ensurePrivateDir } from '../lib/private-dir.js';
import { type OperationOutput, operations } from '../operations/table.js';
import { readProcessNow } from '../upstream/stdio/process-table.js';
import type { EngineDescriptor } from '../wire/engine-descriptor.js';
import { type GlobalFlags, loadSettings } from './environment.js';
import { createOutput, type Output } from './output.js';
import { commandCaller, engineLog, joinRunning, type OpenOptions, openShared } from './runtime.js';

/** A stop may take the draining of calls and the ending of servers, ms. */
const STOP_MS = 25_000;

async function command(
  flags: GlobalFlags,
  work: (options: OpenOptions, output: Output) => Promise<number>,
): Promise<number> {
  const output = createOutput({ json: flags.json === true });
  try {
    const { settings, environment } = loadSettings(flags);
    const logger = createLogger(settings.logLevel);
    return await work({ settings, environment, logger, name: 'command', note: output.note }, output);
  } catch (error) {
    return output.failure(error);
  }
}

export function startEngine(flags: GlobalFlags): Promise<number> {
  return command(flags, async (options, output) => {
    const runtime = await openShared(options);
    const status = await runtime.port.get_status(
      {},
      { caller: commandCaller('engine'), signal: new AbortController().signal },
    );
    await output.answer(describe(status), status);
    await runtime.close();
    return 0;
  });
}

/** Asks it to end, and waits until it has. Not running is no error: what was wished is so. */
export function stopEngine(flags: GlobalFlags): Promise<number> {
  return command(flags, async (options, output) => {
    const pid = await runningPid(options);
    if (pid === undefined) {
      await output.answer('No engine runs.', { stopped: false });
      return 0;
    }
    process.kill(pid, 'SIGTERM');
    for (const until = Date.now() + STOP_MS; isAlive(pid); await sleep(50)) {
      if (Date.now() > until)
        throw new RuntimeError(
          'ENGINE_UNAVAILABLE',
          `The engine (pid ${pid}) has not ended within ${STOP_MS / 1000} s.`,
          {
            hint: 'See mcp-runtime engine logs.',
          },
        );
    }
    await output.answer(`The engine (pid ${pid}) has ended.`, { stopped: true, pid });
    return 0;
  });
}

export function engineStatus(flags: GlobalFlags): Promise<number> {
  return command(flags, async (options, output) => {
    let other: EngineDescriptor | undefined;
    const runtime = await joinRunning(options, (engine) => {
      other = engine;
    });
    if (other) {
      const { pid, version } = other;
      await output.answer(
        `An engine of version ${version} runs (pid ${pid}), which this version cannot join. End it with mcp-runtime engine stop.`,
        { running: true, joinable: false, engine: { pid, version } },
      );
      return 0;
    }
    if (!runtime) {
      await output.answer('No engine runs. The first client starts it.', { running: false });
      return 0;
    }
    const status = await runtime.port.get_status(
      {},
      { caller: commandCaller('engine'), signal: new AbortController().signal },
    );
    await output.answer(describe(status), { running: true, ...status });
    await runtime.close();
    return 0;
  });
}

export function engineLogs(flags: GlobalFlags & { lines: number }): Promise<number> {
  return command(flags, async ({ settings }, output) => {
    const path = engineLog(settings);
    const text = await readFile(path, 'utf8').catch(() => '');
    const lines = text.trimEnd().split('\n').slice(-Math.max(1, flags.lines));
    await output.answer(text === '' ? `Nothing is logged yet (${path}).` : lines.join('\n'), { path, lines });
    return 0;
  });
}

/** Writes the engine's key into the home, and prints the one for a front-end: it is shown once. */
export function engineKeygen(flags: GlobalFlags): Promise<number> {
  return command(flags, async ({ settings }, output) => {
    const [{ loadZeromq }, { generateKeys, printClientKey }] = await Promise.all([
      import('../wire/zeromq-module.js'),
      import('../wire/curve.js'),
    ]);
    const zeromq = await loadZeromq();
    if (!zeromq)
      throw new RuntimeError('UNSUPPORTED', 'Keys need zeromq, which cannot be loaded here.', {
        hint: 'Install the optional dependency zeromq.',
      });
    const { server, client } = generateKeys(zeromq);
    await ensurePrivateDir(settings.home);
    const path = join(settings.home, 'engine-key.json');
    await writeFileAtomic(path, JSON.stringify(server), { exclusive: true }).catch(
      (error: NodeJS.ErrnoException) => {
        throw new RuntimeError(
          'STORAGE_FAILED',
          error.code === 'EEXIST'
            ? `There is a key already: ${path}.`
            : `The key cannot be written: ${error.message}.`,
          {
            hint: 'Move it away first; front-ends with its keys then need new ones.',
            cause: error,
          },
        );
      },
    );
    const clientKey = printClientKey(client);
    await output.answer(
      `The engine's key is in ${path}: mcp-runtime engine run --listen tcp://0.0.0.0:7001 --key-file ${path}\n` +
        `The front-end's key, shown this once, goes into MCP_RUNTIME_ENGINE_KEY there:\n${clientKey}`,
      { keyFile: path, clientKey },
    );
    return 0;
  });
}

function describe(status: OperationOutput<'get_status'>): string {
  const presented = operations.get_status.present(status) as CallToolResult;
  return String(presented.content?.[0]?.['text'] ?? '');
}

/**
 * The pid the engine itself told, so that no other process is ever signalled. One of another protocol told it together
 * with the address at which it answered, and which no other ever had.
 */
async function runningPid(options: OpenOptions): Promise<number | undefined> {
  let other: number | undefined;
  const runtime = await joinRunning(options, ({ pid }) => {
    other = pid;
  });
  if (!runtime) return other;
  try {
    const { engine } = await runtime.port.get_status(
      {},
      { caller: commandCaller('engine stop'), signal: new AbortController().signal },
    );
    return engine.pid;
  } finally {
    await runtime.close();
  }
}

/** One that ended may still wait for its parent to take note of it, in a container without an init for ever. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return readProcessNow(pid)?.zombie !== true;
  } catch {
    return false;
  }
}
