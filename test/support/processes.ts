import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Marker {
  readonly name: string;
  readonly value: string;
}

/** An environment variable that no other test's processes carry. */
export function uniqueMarker(): Marker {
  return { name: 'MCP_RUNTIME_TEST_MARK', value: `test-${randomUUID()}` };
}

export const fixture = (file: string): string =>
  fileURLToPath(new URL(`../fixtures/${file}`, import.meta.url));
export const hostile = (name: string): string => fixture(join('hostile', `${name}.mjs`));

/** Pids of living processes (zombies have no environ) that carry the marker. Linux only; elsewhere none. */
export function pidsWith(marker: Marker): number[] {
  const wanted = `${marker.name}=${marker.value}`;
  let entries: string[];
  try {
    entries = readdirSync('/proc');
  } catch {
    return [];
  }
  return entries
    .filter((entry) => /^\d+$/.test(entry))
    .filter((pid) => {
      try {
        // A session adds something of its own to the value it was given.
        const entries = readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0');
        return entries.some((entry) => entry === wanted || entry.startsWith(`${wanted}/`));
      } catch {
        return false;
      }
    })
    .map(Number);
}

export function isAlive(pid: number): boolean {
  try {
    // The state stands after the name, which is in brackets and may hold anything.
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.charAt(stat.lastIndexOf(')') + 2) !== 'Z';
  } catch {
    return false;
  }
}

/** What a process holds in memory, bytes; 0 when it is gone. */
export function residentBytes(pid: number): number {
  try {
    return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]) * 1024;
  } catch {
    return 0;
  }
}

/** Fails when a process with the marker lives after `withinMs`; kills what is left, by pid, so that no test harms the next. */
export async function expectNoProcess(marker: Marker, withinMs = 2_000): Promise<void> {
  const until = Date.now() + withinMs;
  let left = pidsWith(marker);
  while (left.length > 0 && Date.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, 25));
    left = pidsWith(marker);
  }
  const described = left.map((pid) => {
    try {
      return `${pid} (${readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ').slice(0, 200)})`;
    } catch {
      return String(pid);
    }
  });
  for (const pid of left) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // gone meanwhile
    }
  }
  if (left.length > 0) throw new Error(`processes left behind: ${described.join(', ')}`);
}

export interface RunningServer {
  readonly port: number;
  readonly child: ChildProcess;
  /** What the fixture printed on stdout so far. */
  readonly output: () => string;
  stop(): Promise<void>;
}

/** Starts a fixture that prints `LISTENING <port>` and waits for that line. */
export async function startHttpFixture(
  file: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<RunningServer> {
  const child = spawn(process.execPath, [file, ...args], {
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  let output = '';
  const port = await new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) =>
      reject(new Error(`${file} exited with ${code} before it listened: ${output}`)),
    );
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString('utf8');
      const match = /^LISTENING (\d+)$/m.exec(output);
      if (match) resolve(Number(match[1]));
    });
  });
  return {
    port,
    child,
    output: () => output,
    stop: async () => {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

export interface LoggedEvent {
  readonly t: number;
  readonly pid: number;
  readonly ev: string;
  readonly [key: string]: unknown;
}

/** What fixtures wrote to their HOSTILE_LOG so far. */
export function readEvents(file: string): LoggedEvent[] {
  let text = '';
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return [];
  }
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as LoggedEvent);
}

/** Waits until `probe` gives something truthy; fails after `withinMs`. */
export async function eventually<T>(probe: () => T | Promise<T>, withinMs = 5_000): Promise<NonNullable<T>> {
  const until = Date.now() + withinMs;
  for (;;) {
    const found = await probe();
    if (found) return found;
    if (Date.now() > until) throw new Error(`did not happen within ${withinMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
