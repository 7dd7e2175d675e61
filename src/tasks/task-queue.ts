import { randomUUID } from 'node:crypto';
import type { RuntimeError } from '../core/errors.js';
import type { RuntimeEvent } from '../core/events.js';
import type { Task } from '../core/task.js';
import { sleep } from '../lib/abort.js';
import { Emitter } from '../lib/emitter.js';
import { type Logger, silentLogger } from '../lib/log.js';
import { Dispatcher } from './dispatcher.js';
import {
  checkedSettings,
  type QueueOptions,
  type Settings,
  type TaskList,
  type TaskStatistics,
} from './queue-options.js';
import { taskErrors as errors } from './task-errors.js';
import { TaskResults } from './task-results.js';
import { type TaskRow, TaskRows } from './task-rows.js';
import { type RunTask, type TaskSpec, toRow } from './task-spec.js';
import { asTask } from './task-view.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const SWEEP_MS = 10 * 60_000;

/**
 * Calls in the background. A task is on disk before its id is given out; it runs once, ends once, and its end stays the
 * same until it expires. Nothing runs until `recover()` was called.
 */
export class TaskQueue {
  readonly #settings: Settings;
  readonly #rows: TaskRows;
  readonly #results: TaskResults;
  readonly #logger: Logger;
  readonly #events: Emitter<RuntimeEvent>;
  readonly #dispatcher: Dispatcher;
  readonly #sweeper: NodeJS.Timeout;
  #closing: Promise<void> | undefined;
  #phase: 'opened' | 'working' | 'draining' | 'closed' = 'opened';

  private constructor(options: QueueOptions, rows: TaskRows, results: TaskResults) {
    this.#settings = checkedSettings(options);
    this.#rows = rows;
    this.#results = results;
    this.#logger = options.logger ?? silentLogger;
    this.#events = new Emitter((error) =>
      this.#logger.error({ error: String(error) }, 'a task listener threw'),
    );
    this.#dispatcher = new Dispatcher({
      settings: this.#settings,
      rows,
      results,
      run: options.run,
      events: this.#events,
      logger: this.#logger,
    });
    this.#sweeper = setInterval(() => void this.sweep(), SWEEP_MS).unref();
  }

  /** @throws RuntimeError STORAGE_FAILED, HOME_UNUSABLE; RangeError for options that make no sense. */
  static async open(options: QueueOptions): Promise<TaskQueue> {
    checkedSettings(options);
    const rows = new TaskRows(options.database);
    try {
      const results = new TaskResults(options.directory, rows);
      await results.sweep();
      return new TaskQueue(options, rows, results);
    } catch (error) {
      rows.close();
      throw error;
    }
  }

  /**
   * Takes up what an earlier engine left, once, and starts working: queued tasks run; running ones may have run, so
   * they fail with that reason unless they are idempotent, and a task that saw two engines end is not tried again.
   */
  recover(): { readonly queued: number; readonly interrupted: number; readonly poisoned: number } {
    const found = { queued: 0, interrupted: 0, poisoned: 0 };
    if (this.#phase !== 'opened') return found;
    this.#phase = 'working';
    this.#dispatcher.working = true;
    for (const row of this.#rows.living()) {
      const poison = row.attempts >= this.#settings.maxAttempts;
      if (row.status === 'queued' || (row.idempotent && !poison)) {
        if (row.status === 'running') this.#rows.requeue(row.id);
        this.#dispatcher.enqueue(row);
        found.queued += 1;
      } else {
        const error =
          poison && row.idempotent
            ? errors.poisoned(row, row.attempts)
            : errors.interrupted(row, 'the engine ended');
        this.#dispatcher.end(row, 'failed', error);
        found[poison && row.idempotent ? 'poisoned' : 'interrupted'] += 1;
      }
    }
    this.#dispatcher.pump();
    return found;
  }

  /** @throws RuntimeError QUEUE_FULL, ENGINE_DRAINING, INVALID_ARGUMENTS, STORAGE_FAILED. */
  submit(spec: TaskSpec): Task {
    if (this.#phase === 'draining' || this.#phase === 'closed') throw errors.draining();
    const { size } = this.#settings;
    if (this.#dispatcher.queued >= size) throw errors.queueFull(size, this.#dispatcher.expectedWaitMs);
    const row = toRow(spec, randomUUID(), this.#now());
    const written = this.#write(() => this.#rows.insert(row));
    const job = this.#dispatcher.enqueue(written);
    this.#changed(written);
    this.#dispatcher.pump();
    return this.#task(job.row);
  }

  /**
   * Makes a task of a call that runs already. It takes neither a place nor a worker: nothing is started.
   * @param run joins the call; it must not make it. @throws RuntimeError ENGINE_DRAINING, INVALID_ARGUMENTS, STORAGE_FAILED.
   */
  adopt(spec: TaskSpec, run: RunTask): Task {
    if (this.#phase !== 'working') throw errors.draining();
    const now = this.#now();
    const row = this.#write(() => this.#rows.insertRunning(toRow(spec, randomUUID(), now), now));
    this.#dispatcher.adopt(row, run);
    return this.#task(row);
  }

  /** @throws RuntimeError TASK_NOT_FOUND; its `data.reason` is `expired` or `unknown` (foreign ones are unknown). */
  async get(principal: string, id: string): Promise<Task> {
    const row = this.#find(principal, id);
    const task = this.#task(row);
    if (task.status !== 'completed') return task;
    const result = await this.#results.read(id);
    return { ...task, result };
  }

  /**
   * The task once it has ended or asks for something, or as it is after `ms`. @throws RuntimeError TASK_NOT_FOUND; the signal's reason when
   * the caller leaves.
   */
  async wait(principal: string, id: string, ms: number, signal?: AbortSignal): Promise<Task> {
    signal?.throwIfAborted();
    const { status } = this.#task(this.#find(principal, id));
    if (ms > 0 && (status === 'queued' || status === 'running') && !this.#dispatcher.asks(id))
      await this.#ended(id, ms, signal);
    return await this.get(principal, id);
  }

  /**
   * Gives the server of a task what it asked for, by the keys of its questions; answers to what is not (any more) asked
   * are for nobody. @returns how many were taken. @throws RuntimeError TASK_NOT_FOUND.
   */
  answer(principal: string, id: string, answers: Readonly<Record<string, unknown>>): number {
    this.#find(principal, id);
    return this.#dispatcher.job(id)?.questions?.answer(answers) ?? 0;
  }

  /** What has ended stays as it ended. @throws RuntimeError TASK_NOT_FOUND. */
  async cancel(principal: string, id: string): Promise<Task> {
    const row = this.#find(principal, id);
    const job = this.#dispatcher.job(id);
    if (job) {
      this.#dispatcher.end(row, 'cancelled', errors.cancelled());
      job.abort(errors.cancelled());
      this.#dispatcher.pump();
    }
    return await this.get(principal, id);
  }

  /** Newest first, without results. */
  list(principal: string, page: { clientId?: string | undefined; limit: number; offset: number }): TaskList {
    const now = this.#now();
    const rows = this.#rows.list(principal, page.clientId, now, page.limit, page.offset);
    return {
      tasks: rows.map((row) => this.#task(row)),
      total: this.#rows.count(principal, page.clientId, now),
    };
  }

  /** Ends the waiting tasks of a server that was removed or cannot run. @returns how many. */
  failServer(server: string, error: RuntimeError): number {
    const waiting = this.#dispatcher.waitingFor(server);
    for (const row of waiting) this.#dispatcher.end(row, 'failed', error);
    return waiting.length;
  }

  /** `task-changed` at every change of state, and for progress four times a second at most. */
  subscribe(listener: (event: RuntimeEvent) => void): () => void {
    return this.#events.subscribe(listener);
  }

  /** Of one principal, or of all. */
  statistics(principal?: string): TaskStatistics {
    if (this.#phase === 'closed') throw errors.draining();
    const { size, workers } = this.#settings;
    const { queued, running } = this.#dispatcher;
    const now = principal === undefined ? { queued, running } : {};
    return { ...this.#rows.counts(principal), ...now, size, workers };
  }

  /** Drops what has expired, and tries again to store what could not be. */
  async sweep(): Promise<void> {
    if (this.#phase === 'closed') return;
    try {
      this.#dispatcher.saveEnds();
      const now = this.#now();
      await this.#results.remove(this.#rows.expire(now, now - this.#settings.rememberMs));
    } catch (error) {
      this.#logger.warn({ error: String(error) }, 'the sweep of tasks failed');
    }
  }

  /** Takes and starts nothing new; gives what runs `ms` to end. Queued tasks stay for the next start. @returns how many still run. */
  async drain(ms: number): Promise<number> {
    this.#stopTaking();
    const over = new AbortController();
    await Promise.race([this.#dispatcher.idle(), sleep(ms, { signal: over.signal }).catch(() => {})]);
    over.abort();
    return this.#dispatcher.running;
  }

  /** What runs is aborted, and goes back to the queue if it is idempotent; what waits stays for the next start. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#stopTaking();
    clearInterval(this.#sweeper);
    await this.#dispatcher.stop();
    await this.sweep();
    this.#phase = 'closed';
    this.#rows.close();
  }

  #write(write: () => TaskRow): TaskRow {
    try {
      return write();
    } catch (error) {
      throw errors.notStored(error);
    }
  }

  #stopTaking(): void {
    if (this.#phase !== 'closed') this.#phase = 'draining';
    this.#dispatcher.working = false;
  }

  #find(principal: string, id: string): TaskRow {
    if (this.#phase === 'closed') throw errors.draining();
    const row = typeof id === 'string' && UUID.test(id) ? this.#rows.find(principal, id) : undefined;
    if (!row) throw errors.taskUnknown();
    const current = this.#dispatcher.current(row);
    if (current.expiresAt !== undefined && current.expiresAt <= this.#now()) {
      throw errors.taskExpired(this.#settings.ttlMs);
    }
    return current;
  }

  #task(row: TaskRow): Task {
    const { id, status, expiresAt = this.#now() + this.#settings.ttlMs } = row;
    const position = status === 'queued' ? this.#dispatcher.position(id) : undefined;
    return asTask(row, this.#dispatcher.job(id), { expiresAt, position });
  }

  /** Until the task is neither waiting nor running, or asks for something, or `ms` are over, or the queue closes. */
  #ended(id: string, ms: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        clearTimeout(timer);
        stop();
        signal?.removeEventListener('abort', onAbort);
      };
      const over = () => {
        leave();
        resolve();
      };
      const onAbort = () => {
        leave();
        reject(signal?.reason);
      };
      const timer = setTimeout(over, Math.min(ms, 2 ** 31 - 1));
      const stop = this.#events.subscribe((event) => {
        if (event.type !== 'task-changed' || event.taskId !== id) return;
        if (!this.#dispatcher.isLiving(id) || this.#dispatcher.asks(id)) over();
      });
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  #changed({ id, principal }: Pick<TaskRow, 'id' | 'principal'>): void {
    this.#events.emit({ type: 'task-changed', taskId: id, principal });
  }

  #now(): number {
    return this.#settings.clock();
  }
}
