import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually, expectNoProcess, fixture, isAlive, type Marker, uniqueMarker } from './processes.js';

export interface Answer {
  readonly key?: string;
  readonly ok?: string;
  readonly code?: string;
  readonly data?: { readonly executed?: boolean | 'unknown' };
  readonly joined?: number;
  readonly version?: string;
  readonly difference?: readonly string[];
  readonly failed?: string;
  readonly message?: string;
}

export interface WireProcess {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly lines: Answer[];
  readonly raw: () => string;
  readonly stderr: () => string;
  readonly exited: Promise<number | null>;
  ask(what: { prefix: string; tool: string; count?: number; args?: Record<string, unknown> }): void;
  signal(signal: NodeJS.Signals): void;
}

export interface LedgerLine {
  readonly ev: 'begin' | 'done' | 'aborted' | 'engine';
  readonly key?: string;
  readonly pid: number;
}

/** A home of its own, and every process that was started for it; `end` leaves neither. */
export class WireStage {
  readonly home = mkdtempSync(join(tmpdir(), 'wire-'));
  readonly ledgerPath = join(this.home, 'ledger');
  readonly #marker: Marker = uniqueMarker();
  readonly #started: WireProcess[] = [];

  /** @param dist what is built, if not in dist/. */
  engine(options: Record<string, unknown> = {}, dist?: string): WireProcess {
    return this.#start('wire-engine.mjs', { home: this.home, ledger: this.ledgerPath, ...options }, dist);
  }

  front(options: Record<string, unknown> = {}): WireProcess {
    const engine = { ledger: this.ledgerPath, ...(options['engine'] as object | undefined) };
    return this.#start('wire-front.mjs', { home: this.home, ...options, engine });
  }

  async joined(front: WireProcess): Promise<number> {
    const line = await eventually(() => front.lines.find((one) => one.joined ?? one.failed), 40_000);
    if (line.joined === undefined) throw new Error(`did not join: ${line.message}`);
    return line.joined;
  }

  async ready(engine: WireProcess): Promise<string[]> {
    const line = await eventually(() => /^READY (.*)$/m.exec(engine.raw()), 40_000);
    return JSON.parse(line[1] as string) as string[];
  }

  ledger(): LedgerLine[] {
    try {
      return readFileSync(this.ledgerPath, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as LedgerLine);
    } catch {
      return [];
    }
  }

  async end(): Promise<void> {
    for (const one of this.#started) if (one.child.exitCode === null) one.signal('SIGKILL');
    for (const pid of new Set(this.ledger().map((line) => line.pid))) {
      try {
        if (isAlive(pid)) process.kill(pid, 'SIGKILL');
      } catch {
        // ended meanwhile
      }
    }
    await expectNoProcess(this.#marker).finally(() => rmSync(this.home, { recursive: true, force: true }));
  }

  #start(file: string, options: object, dist?: string): WireProcess {
    const child = spawn(process.execPath, [fixture(file), JSON.stringify(options)], {
      env: {
        ...process.env,
        [this.#marker.name]: this.#marker.value,
        ...(dist === undefined ? {} : { WIRE_DIST: dist }),
      },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let raw = '';
    let rest = '';
    let stderr = '';
    const lines: Answer[] = [];
    child.stdout.on('data', (chunk: Buffer) => {
      raw = (raw + chunk.toString()).slice(-4_096);
      const parts = (rest + chunk.toString()).split('\n');
      rest = parts.pop() ?? '';
      for (const part of parts) if (part.startsWith('{')) lines.push(JSON.parse(part) as Answer);
    });
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    child.stdin.on('error', () => {});
    const started: WireProcess = {
      child,
      pid: child.pid as number,
      lines,
      raw: () => raw,
      stderr: () => stderr,
      exited: new Promise((resolve) => child.once('exit', (code) => resolve(code))),
      ask: (what) => child.stdin.write(`${JSON.stringify(what)}\n`),
      signal: (signal) => child.kill(signal),
    };
    this.#started.push(started);
    return started;
  }
}
