import type { RuntimeError } from '../core/errors.js';
import type { RuntimeEvent } from '../core/events.js';
import type { Payload } from '../core/payload.js';
import type { CallToolResult, Progress } from '../core/upstream.js';
import type { Emitter } from '../lib/emitter.js';
import type { Logger } from '../lib/log.js';
import { Endings } from './endings.js';
import { Job, untilAbandoned } from './job.js';
import { ahead, nextToStart } from './order.js';
import { Questions } from './questions.js';
import type { Settings } from './queue-options.js';
import { taskErrors as errors } from './task-errors.js';
import type { TaskResults } from './task-results.js';
import type { Ending, TaskRow, TaskRows } from './task-rows.js';
import { type RunTask, toSpec } from './task-spec.js';

const PROGRESS_WRITE_MS = 2000;
const PROGRESS_EVENT_MS = 250;
const START_RETRY_MS = 5000;
/** Between the end of a call and the end of its task the result is stored. */
const STORING_MS = 60_000;

interface DispatcherParts {
  readonly settings: Settings;
  readonly rows: TaskRows;
  readonly results: TaskResults;
  readonly run: RunTask;
  readonly events: Emitter<RuntimeEvent>;
  readonly logger: Logger;
}

/** Brings waiting tasks to free workers, and writes how each ends. */
export class Dispatcher {
  /** Nothing is started while false. */
  working = false;
  readonly #parts: DispatcherParts;
  readonly #queued = new Map<string, Job>();
  readonly #running = new Map<string, Job>();
  readonly #endings: Endings;
  #averageMs = 2000;
  #closed = false;

  constructor(parts: DispatcherParts) {
    this.#parts = parts;
    this.#endings = new Endings(parts.rows, parts.logger);
  }

  get queued(): number {
    return this.#queued.size;
  }

  get running(): number {
    return this.#running.size;
  }

  /** Some time after which a place may be free. */
  get expectedWaitMs(): number {
    const wait = (this.#averageMs * (this.#queued.size + 1)) / this.#parts.settings.workers;
    return Math.min(300_000, Math.max(1000, wait));
  }

  job(id: string): Job | undefined {
    return this.#queued.get(id) ?? this.#running.get(id);
  }

  waitingFor(server: string): TaskRow[] {
    return [...this.#queued.values()].map(({ row }) => row).filter((row) => row.server === server);
  }

  /** 1 is next. */
  position(id: string): number {
    const { settings } = this.#parts;
    const job = this.#queued.get(id);
    return job ? ahead(this.#waiting(), job.row, settings.clock(), settings.ageingMs) + 1 : 0;
  }

  /** Whether the task's end is still to come. */
  isLiving(id: string): boolean {
    return !this.#closed && this.job(id)?.settled === false;
  }

  /** Whether its server waits for answers. */
  asks(id: string): boolean {
    const job = this.#running.get(id);
    return job?.settled === false && job.waitsForAnswers;
  }

  /** The row as it stands, with an end that could not be written yet. */
  current(row: TaskRow): TaskRow {
    return this.#endings.current(row);
  }

  /** Tries again to write the ends that could not be. */
  saveEnds(): void {
    this.#endings.save();
  }

  /** Resolves when everything that runs now has given its worker back. */
  async idle(): Promise<void> {
    await Promise.allSettled([...this.#running.values()].map((job) => job.done));
  }

  /** Aborts what runs. An idempotent task goes back to its place in the queue, any other may have run. */
  async stop(): Promise<void> {
    this.working = false;
    for (const job of this.#running.values()) {
      const error = errors.interrupted(job.row, 'the engine was stopped');
      if (job.row.idempotent && !job.settled) this.#giveBack(job);
      this.#fail(job, error);
    }
    await this.idle();
    this.#closed = true;
    this.#endings.close();
    for (const job of this.#queued.values()) {
      job.dispose();
      this.#changed(job.row);
    }
  }

  enqueue(row: TaskRow): Job {
    const job = new Job({ ...row, status: 'queued' });
    this.#queued.set(row.id, job);
    if (row.countWaiting) {
      job.setDeadline(row.createdAt + row.timeoutMs - this.#now(), () =>
        this.end(row, 'failed', errors.outOfTime(row, row.timeoutMs, false)),
      );
    }
    return job;
  }

  /** Starts as many as there are free workers. Synchronous, so that two callers never start the same one. */
  pump(): void {
    const { workers, ageingMs, maxPerServer } = this.#parts.settings;
    while (this.working && this.#busy().length < workers && this.#queued.size > 0) {
      const running = new Map<string, number>();
      for (const { row } of this.#busy()) running.set(row.server, (running.get(row.server) ?? 0) + 1);
      const next = nextToStart(
        this.#waiting(),
        this.#now(),
        ageingMs,
        (server) => running.get(server) ?? 0,
        (row) => row.maxPerServer ?? maxPerServer,
      );
      if (!next) return;
      try {
        this.#start(next.id);
      } catch (error) {
        // Without the mark on disk a crash would run it twice: it waits until the disk takes the mark.
        this.#parts.logger.error(
          { error: String(error) },
          'a task cannot be started: its state cannot be stored',
        );
        setTimeout(() => this.pump(), START_RETRY_MS).unref();
        return;
      }
    }
  }

  #start(id: string): void {
    const job = this.#queued.get(id);
    const startedAt = this.#now();
    const marked = this.#parts.rows.start(id, startedAt);
    this.#queued.delete(id);
    if (!job || !marked) return;
    job.row = { ...job.row, status: 'running', startedAt, attempts: job.row.attempts + 1 };
    this.#run(job, startedAt, this.#parts.run);
  }

  /** A call that runs already; `run` gives what it comes to. */
  adopt(row: TaskRow, run: RunTask): void {
    const job = new Job(row);
    job.takesWorker = false;
    this.#run(job, row.startedAt ?? this.#now(), run);
  }

  #run(job: Job, startedAt: number, run: RunTask): void {
    this.#running.set(job.row.id, job);
    this.#changed(job.row);
    job.done = this.#execute(job, startedAt, run);
  }

  async #execute(job: Job, startedAt: number, makeCall: RunTask): Promise<void> {
    const { row } = job;
    const questions = new Questions(row, this.#parts.settings.answerMs, {
      onChange: () => {
        job.onQuestions();
        this.#changed(row);
        this.pump();
      },
      onGiveUp: (error) => this.#fail(job, error),
    });
    job.questions = questions;
    const left = row.countWaiting ? Math.max(1, row.createdAt + row.timeoutMs - startedAt) : row.timeoutMs;
    job.setDeadline(left + this.#parts.settings.overrunMs, () =>
      this.#fail(job, errors.outOfTime(row, row.timeoutMs, true)),
    );
    try {
      const context = {
        taskId: row.id,
        attempt: row.attempts,
        signal: job.signal,
        progress: (progress: Progress) => this.#progress(job, progress),
        ask: (method: string, params: unknown) => questions.ask(method, params),
        keepUntil: () => this.#now() + this.#parts.settings.ttlMs + STORING_MS,
      };
      // In a microtask: a run that throws at once must not throw into the pump.
      const run = Promise.resolve().then(() => makeCall(toSpec(row, left), context));
      const payload = await untilAbandoned(run, job.signal, this.#parts.settings.graceMs);
      if (!job.settled) await this.#complete(row, payload);
    } catch (error) {
      this.end(row, 'failed', errors.asRuntimeError(error));
    } finally {
      questions.close(errors.cancelled());
      job.dispose();
      this.#running.delete(row.id);
      this.#averageMs = this.#averageMs * 0.8 + (this.#now() - startedAt) * 0.2;
      this.pump();
    }
  }

  async #complete(row: TaskRow, payload: Payload<CallToolResult>): Promise<void> {
    let stored: Awaited<ReturnType<TaskResults['keep']>>;
    try {
      stored = await this.#parts.results.keep(row.id, payload);
    } catch (error) {
      this.end(row, 'failed', errors.resultNotStored(error));
      return;
    }
    const first = this.end(row, 'completed', undefined, stored);
    if (!first && stored.resultFile !== undefined) await this.#parts.results.remove([stored.resultFile]);
  }

  /** Writes how a task ended, once. @returns false when it had ended before. */
  end(
    row: TaskRow,
    status: Ending['status'],
    error?: RuntimeError,
    stored: Pick<Ending, 'result' | 'resultFile'> = {},
  ): boolean {
    const job = this.#queued.get(row.id) ?? this.#running.get(row.id);
    if (job?.settled || this.#closed) return false;
    const endedAt = this.#now();
    const expiresAt = endedAt + this.#parts.settings.ttlMs;
    const ending = { status, endedAt, expiresAt, error: error?.toJSON(), ...stored };
    if (!this.#endings.write(row.id, ending)) return false;
    if (job) job.settled = true;
    if (this.#queued.delete(row.id)) job?.dispose();
    this.#changed(row);
    return true;
  }

  #fail(job: Job, error: RuntimeError): void {
    this.end(job.row, 'failed', error);
    job.abort(error);
  }

  #progress(job: Job, progress: Progress): void {
    if (job.settled || this.#closed) return;
    job.progress = progress;
    const now = this.#now();
    if (now - job.lastEvent >= PROGRESS_EVENT_MS) {
      job.lastEvent = now;
      this.#changed(job.row);
    }
    if (now - job.lastWrite < PROGRESS_WRITE_MS) return;
    job.lastWrite = now;
    try {
      this.#parts.rows.setProgress(job.row.id, progress);
    } catch (error) {
      this.#parts.logger.warn({ error: String(error) }, 'progress of a task could not be stored');
    }
  }

  #giveBack(job: Job): void {
    job.settled = true;
    try {
      this.#parts.rows.requeue(job.row.id, true);
    } catch (error) {
      // It stays marked as running, which the next start understands as well.
      this.#parts.logger.warn({ error: String(error) }, 'a task could not be put back into the queue');
    }
  }

  /** Those that hold a worker. */
  #busy(): Job[] {
    return [...this.#running.values()].filter((job) => job.takesWorker && !job.waitsForAnswers);
  }

  *#waiting(): Generator<TaskRow, void, undefined> {
    for (const { row } of this.#queued.values()) yield row;
  }

  #changed({ id, principal }: Pick<TaskRow, 'id' | 'principal'>): void {
    this.#parts.events.emit({ type: 'task-changed', taskId: id, principal });
  }

  #now(): number {
    return this.#parts.settings.clock();
  }
}
