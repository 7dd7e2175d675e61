import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { constants } from 'node:os';
import type { ServerLimits } from '../../core/server.js';
import type { ClosePace, SessionEnd } from '../../core/upstream.js';
import { sleep } from '../../lib/abort.js';
import { ByteRing } from '../../lib/byte-ring.js';
import { LineSplitter } from '../../lib/line-splitter.js';
import type { Logger } from '../../lib/log.js';
import type { ChannelSink, Delivery, MessageChannel, Outgoing } from '../channel.js';
import { died } from '../errors.js';
import { hideValues } from './child-env.js';
import { watchFamily } from './family-watch.js';
import { Outbox } from './outbox.js';
import type { StartedChild } from './start-child.js';

const STDERR_BYTES = 64 * 1_024;
/** A pipe that closes usually means that the process is ending: its exit code says more than the closed pipe. */
const EXIT_AFTER_EOF_MS = 250;
/** After the exit the pipes still hold the last words; grandchildren may hold them open for ever. */
const DRAIN_QUIET_MS = 50;
const DRAIN_TOTAL_MS = 1_000;
/** Ask by end of input, insist by SIGTERM, then SIGKILL; all of it takes at most six seconds. */
const PATIENCE: Readonly<Record<ClosePace, { readonly eofMs: number; readonly termMs: number }>> = {
  calm: { eofMs: 2_000, termMs: 3_000 },
  brisk: { eofMs: 1_000, termMs: 1_500 },
  hasty: { eofMs: 0, termMs: 500 },
};
const KILL_MS = 1_000;
const PACES: readonly ClosePace[] = ['calm', 'brisk', 'hasty'];

export interface StdioChannelOptions {
  readonly server: string;
  readonly env: Readonly<Record<string, string>>;
  readonly maxMessageBytes: number;
  readonly logger: Logger;
  readonly limits?: ServerLimits | undefined;
}

/** Messages as lines through the pipes of a child process, and the end of that process with all it started. */
export class StdioChannel implements MessageChannel {
  readonly pid: number;
  readonly ended: Promise<SessionEnd>;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #family: StartedChild['family'];
  readonly #cleanUp: StartedChild['cleanUp'];
  readonly #watch = new AbortController();
  readonly #options: StdioChannelOptions;
  readonly #sink: ChannelSink;
  readonly #stderr = new ByteRing(STDERR_BYTES);
  readonly #lines: LineSplitter;
  readonly #outbox: Outbox;
  readonly #exited: Promise<void>;
  #exit: { code: number | null; signal: NodeJS.Signals | null } | undefined;
  #lastData = 0;
  #down: SessionEnd | undefined;
  #pace: ClosePace = 'calm';
  #hurry: () => void = () => {};
  #resolveEnded: (end: SessionEnd) => void = () => {};

  constructor(
    { child, pid, family, cleanUp }: StartedChild,
    options: StdioChannelOptions,
    sink: ChannelSink,
  ) {
    this.pid = pid;
    this.#child = child;
    this.#family = family;
    this.#cleanUp = cleanUp;
    this.#options = options;
    this.#sink = sink;
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    this.#lines = new LineSplitter(options.maxMessageBytes, {
      line: (line) => sink.message(line),
      pieces: (line) => sink.message(line),
      growing: (pieces) => sink.growing?.(pieces),
      tooLong: (line) => sink.tooLong(line),
    });
    this.#outbox = new Outbox(child.stdin, { server: options.server, maxWaiting: options.maxMessageBytes });
    this.#exited = new Promise((resolve) =>
      child.once('exit', (code, signal) => this.#onExit({ code, signal }, resolve)),
    );
    child.stdout.on('data', (chunk: Buffer) => this.#onData(chunk));
    child.stderr.on('data', (chunk: Buffer) => {
      this.#lastData = performance.now();
      this.#stderr.write(chunk);
    });
    for (const stream of [child.stdout, child.stderr]) stream.on('error', () => {});
    child.stdout.once('close', () => this.#onPipeClosed('output'));
    // EPIPE and ECONNRESET end here; the closed pipe is what matters.
    child.stdin.on('error', () => this.#onPipeClosed('input'));
    if (options.limits) void this.#guard(options.limits);
  }

  send(message: Outgoing): Promise<void> {
    return this.#outbox.send(message);
  }

  release(id: number): Delivery {
    return this.#outbox.release(id);
  }

  useVersion(): void {}

  /** One that is closing already ends faster when it is closed again at a faster pace. */
  close(pace: ClosePace = 'calm'): Promise<SessionEnd> {
    if (!this.#down) this.#goDown('closed', 'the session was closed', pace);
    else if (PACES.indexOf(pace) > PACES.indexOf(this.#pace)) {
      this.#pace = pace;
      this.#hurry();
    }
    return this.ended;
  }

  async #guard(limits: ServerLimits): Promise<void> {
    const what = await watchFamily(this.#family, limits, this.#watch.signal);
    if (what !== undefined && !this.#down) this.#goDown('lost', `was ended because it ${what}`);
  }

  #onData(chunk: Buffer): void {
    this.#lastData = performance.now();
    // Once down, the pipe is only emptied, so that the server does not block on it while it ends.
    if (!this.#down) this.#lines.push(chunk);
  }

  async #onExit(
    exit: { code: number | null; signal: NodeJS.Signals | null },
    resolve: () => void,
  ): Promise<void> {
    this.#exit = exit;
    resolve();
    await this.#drain();
    if (!this.#down) this.#goDown('exited', describeExit(exit));
  }

  /** Waits for what the pipes still hold: until both are closed, or nothing comes any more. */
  async #drain(): Promise<void> {
    const { stdout, stderr } = this.#child;
    const until = performance.now() + DRAIN_TOTAL_MS;
    this.#lastData = performance.now();
    while (!(stdout.closed && stderr.closed) && performance.now() < until) {
      if (performance.now() - this.#lastData > DRAIN_QUIET_MS) return;
      // The immediate lets the loop read the pipes even when the timer came late.
      await sleep(5);
      await new Promise((next) => setImmediate(next));
    }
  }

  async #onPipeClosed(which: 'input' | 'output'): Promise<void> {
    if (this.#down || this.#exit) return;
    await Promise.race([this.#exited, sleep(EXIT_AFTER_EOF_MS)]);
    if (!this.#down && !this.#exit) this.#goDown('lost', `closed its ${which} but went on running`);
  }

  #goDown(reason: SessionEnd['reason'], message: string, pace: ClosePace = 'calm'): void {
    const unfinished = reason === 'closed' ? 0 : this.#lines.unfinished;
    const tail = unfinished > 0 ? `${message}, with an unfinished message of ${unfinished} bytes` : message;
    const end = this.#facts(reason, tail);
    this.#down = end;
    this.#pace = reason === 'lost' ? 'hasty' : pace;
    this.#watch.abort();
    this.#outbox.close(died(this.#options.server, 'a message', end));
    void this.#finish(end);
    this.#sink.down(end);
  }

  #facts(reason: SessionEnd['reason'], message: string): SessionEnd {
    const stderr = hideValues(this.#stderr.bytes().toString('utf8'), this.#options.env);
    const { code, signal } = this.#exit ?? {};
    return {
      reason,
      message,
      ...(typeof code === 'number' ? { exitCode: code } : {}),
      ...(signal ? { exitSignal: signal } : {}),
      ...(stderr === '' ? {} : { stderr }),
    };
  }

  /** Ends the process and its family, then says so. */
  async #finish({ reason, message }: SessionEnd): Promise<void> {
    const { server, logger } = this.#options;
    const begun = performance.now();
    let left: number[] = [];
    try {
      const killed = await this.#endChild();
      const { eofMs, termMs } = PATIENCE[this.#pace];
      const grace = killed ? 0 : Math.min(termMs, begun + eofMs + termMs - performance.now());
      left = await this.#family.end(Math.max(0, grace), KILL_MS);
      await this.#cleanUp();
    } catch (error) {
      logger.error({ server, err: error }, 'ending the processes failed');
    }
    if (left.length > 0) logger.error({ server, pids: left }, 'processes survive SIGKILL');
    const { stdin, stdout, stderr } = this.#child;
    for (const stream of [stdin, stdout, stderr]) stream.destroy();
    this.#resolveEnded(this.#facts(reason, message));
  }

  /** @returns whether it took SIGKILL. */
  async #endChild(): Promise<boolean> {
    if (this.#exit) return false;
    this.#child.stdin.end();
    // Who belongs to the family is clearest while the tree stands.
    const known = this.#family.members().catch(() => []);
    if (await this.#exitsWithin('eofMs')) return false;
    await known;
    this.#signal('SIGTERM');
    if (await this.#exitsWithin('termMs')) return false;
    this.#signal('SIGKILL');
    await Promise.race([this.#exited, sleep(KILL_MS)]);
    return true;
  }

  #signal(signal: NodeJS.Signals): void {
    // Not reaped yet, so the number still is the child's. One signal, not two: many servers take the second for haste.
    if (!this.#exit && !this.#family.signalGroup(signal)) this.#child.kill(signal);
  }

  /** The time counts from the beginning of the phase, and is that of the pace as it is then. */
  async #exitsWithin(phase: 'eofMs' | 'termMs'): Promise<boolean> {
    const begun = performance.now();
    for (;;) {
      const left = begun + PATIENCE[this.#pace][phase] - performance.now();
      if (this.#exit || left <= 0) return this.#exit !== undefined;
      const wait = new AbortController();
      const hurried = new Promise<void>((resolve) => {
        this.#hurry = resolve;
      });
      await Promise.race([this.#exited, hurried, sleep(left, { signal: wait.signal }).catch(() => {})]);
      wait.abort();
    }
  }
}

function describeExit({ code, signal }: { code: number | null; signal: NodeJS.Signals | null }): string {
  if (!signal) return `exited with code ${code}`;
  // Only its own limit brings this about.
  if (signal === 'SIGXFSZ') return 'was ended because it wrote a file above its limit of fileSize (SIGXFSZ)';
  return `was ended by signal ${signal} (${constants.signals[signal]})`;
}
