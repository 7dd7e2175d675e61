import { basename } from 'node:path';
import { RuntimeError } from '../../core/errors.js';
import type { ServerDefinition } from '../../core/server.js';
import { sleep, untilAborted } from '../../lib/abort.js';
import { environOf, listProcesses } from './process-table.js';

/** An installation that takes longer is ended after all, ms. */
const INSTALL_MS = 300_000;
const LOOK_MS = 500;
/** Programs that install a package before they run it, and the words that stand before its name. */
const LAUNCHERS: Readonly<Record<string, readonly (readonly string[])[]>> = {
  npx: [[]],
  bunx: [[]],
  uvx: [[]],
  npm: [['exec'], ['x']],
  pnpm: [['dlx']],
  yarn: [['dlx']],
  bun: [['x']],
  pipx: [['run']],
  uv: [['tool', 'run']],
};
/** Flags that name the package, before the program in it. */
const NAMING = new Set(['-p', '--package', '--from', '--spec']);
/** Other flags with a value of their own. */
const VALUED = new Set([
  '-c',
  '--call',
  '--registry',
  '--cache',
  '--python',
  '--with',
  '--index-url',
  '--userconfig',
]);

/** The right to start a server of a package that may have to be installed for it. */
export interface PackageTurn {
  /** The server runs, so its package is there: the others need not wait any more. */
  succeeded(): void;
  /** Whether the launcher with this pid has not come to the server yet. */
  isInstalling(pid: number): Promise<boolean>;
  /** Keeps the turn, and lets the launcher go on until `ready` settles, but not for ever; then `end` ends it. */
  finishLater(
    pid: number,
    ready: (signal: AbortSignal) => Promise<unknown>,
    end: () => Promise<unknown>,
  ): void;
  /** Idempotent; nothing while `finishLater` is at it. */
  [Symbol.dispose](): void;
}

/**
 * Starts of servers that are installed first (npx, uvx and the like). Those of one package go one after another until
 * one has succeeded: two installations at once break the cache they share (npm/cli#8224). One that outlasts the time
 * for a start is not killed in its middle, or no try would ever come to an end (smart-mcp-proxy/mcpproxy-go#760).
 */
export class PackageStarts {
  readonly #installMs: number;
  readonly #turns = new Map<string, Promise<void>>();
  readonly #installed = new Set<string>();
  readonly #closing = new AbortController();
  readonly #going = new Set<Promise<unknown>>();

  constructor(options: { installMs?: number } = {}) {
    this.#installMs = options.installMs ?? INSTALL_MS;
  }

  /**
   * Waits until no other start installs the same package, at most as long as a start may take.
   * @returns undefined for a server that is not installed first.
   */
  async turn(definition: ServerDefinition, signal: AbortSignal): Promise<PackageTurn | undefined> {
    const key = packageOf(definition);
    if (key === undefined || this.#installed.has(key)) return undefined;
    const patience = AbortSignal.timeout(definition.startTimeoutMs);
    for (let other = this.#turns.get(key); other; other = this.#turns.get(key)) {
      await untilAborted(other, AbortSignal.any([signal, patience])).catch((reason: unknown) => {
        throw patience.aborted && !signal.aborted ? stillInstalling(definition) : reason;
      });
      if (this.#installed.has(key)) return undefined;
    }
    let leave: () => void = () => {};
    const turn = new Promise<void>((resolve) => {
      leave = () => {
        if (this.#turns.get(key) === turn) this.#turns.delete(key);
        resolve();
      };
    });
    this.#turns.set(key, turn);
    let later = false;
    return {
      succeeded: () => void this.#installed.add(key),
      isInstalling: (pid) => isInstalling(key, pid),
      finishLater: (pid, ready, end) => {
        later = true;
        const going = this.#finish(key, pid, ready, end).finally(() => {
          this.#going.delete(going);
          leave();
        });
        this.#going.add(going);
      },
      [Symbol.dispose]: () => {
        if (!later) leave();
      },
    };
  }

  /** Ends what is still being installed. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#going);
  }

  async #finish(
    key: string,
    pid: number,
    ready: (signal: AbortSignal) => Promise<unknown>,
    end: () => Promise<unknown>,
  ): Promise<void> {
    const over = new AbortController();
    const signal = AbortSignal.any([this.#closing.signal, over.signal, AbortSignal.timeout(this.#installMs)]);
    const answered = ready(signal).then(
      () => void this.#installed.add(key),
      () => {},
    );
    try {
      await Promise.race([answered, untilStarted(key, pid, signal)]);
    } finally {
      over.abort();
      await end().catch(() => {});
    }
  }
}

export function stillInstalling({ name }: ServerDefinition): RuntimeError {
  return new RuntimeError(
    'SERVER_START_FAILED',
    `The server "${name}" is still being installed; that goes on in the background.`,
    {
      hint: 'Try again in a while, or raise its "timeout".',
      retryable: true,
      data: { server: name, phase: 'install' },
    },
  );
}

/** Launcher and package; undefined for a definition that names no such launcher. */
function packageOf(definition: ServerDefinition): string | undefined {
  if (definition.transport !== 'stdio') return undefined;
  const launcher = basename(definition.command).replace(/\.(?:cmd|exe|ps1)$/i, '');
  const forms = Object.hasOwn(LAUNCHERS, launcher) ? LAUNCHERS[launcher] : undefined;
  const form = forms?.find((words) => words.every((word, index) => definition.args[index] === word));
  if (!form) return undefined;
  const words = definition.args.slice(form.length);
  const named: string[] = [];
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? '';
    const [flag = '', value] = word.split('=', 2);
    if (NAMING.has(flag)) named.push(value ?? words[at + 1] ?? '');
    if (word.startsWith('-')) at += value === undefined && (NAMING.has(flag) || VALUED.has(flag)) ? 1 : 0;
    else return `${launcher} ${named.length > 0 ? named.join(' ') : word}`;
  }
  return named.length > 0 ? `${launcher} ${named.join(' ')}` : undefined;
}

/** npm marks what it starts for npx; its install scripts carry another mark. Others start nothing but the server. */
async function isInstalling(key: string, pid: number): Promise<boolean> {
  const all = await listProcesses();
  if (!all.some((one) => one.pid === pid && !one.zombie)) return false;
  const others = all.filter((one) => one.group === pid && one.pid !== pid && !one.zombie);
  if (!/^np[xm] /.test(key)) return others.length === 0;
  const events = others.map((one) => environOf(one.pid, 'npm_lifecycle_event'));
  return !events.includes('npx');
}

async function untilStarted(key: string, pid: number, signal: AbortSignal): Promise<void> {
  while (!signal.aborted && (await isInstalling(key, pid))) await sleep(LOOK_MS, { signal }).catch(() => {});
}
