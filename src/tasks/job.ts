import type { Progress } from '../core/upstream.js';
import type { Questions } from './questions.js';
import type { TaskRow } from './task-rows.js';

const MAX_TIMER_MS = 2 ** 31 - 1;

/** A task that waits or runs, as this process holds it. */
export class Job {
  row: TaskRow;
  progress: Progress | undefined;
  /** Its end is written (or held until it can be): nothing else may become of it. */
  settled = false;
  /** Resolves, never rejects, when its worker is free again. */
  done: Promise<void> = Promise.resolve();
  /** False for a call that ran before it became a task. */
  takesWorker = true;
  /** Of its server, while it runs. */
  questions: Questions | undefined;
  lastWrite = 0;
  lastEvent = 0;
  readonly #controller = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #passed: (() => void) | undefined;
  #due = 0;
  /** What was left of the deadline when its server began to wait for an answer, ms. */
  #left: number | undefined;

  constructor(row: TaskRow) {
    this.row = row;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  abort(reason: unknown): void {
    this.#controller.abort(reason);
  }

  /** One timer at a time: the deadline while it waits, then that of its run. */
  setDeadline(ms: number, passed: () => void): void {
    clearTimeout(this.#timer);
    this.#passed = passed;
    this.#due = performance.now() + ms;
    this.#timer = setTimeout(passed, Math.min(MAX_TIMER_MS, Math.max(0, ms)));
  }

  /** Whether a person is at it: that time does not count, and no worker is held meanwhile. */
  get waitsForAnswers(): boolean {
    return this.questions?.areOpen === true;
  }

  /** A question came, or was answered. */
  onQuestions(): void {
    if (this.waitsForAnswers === (this.#left !== undefined)) return;
    if (this.#left === undefined) {
      this.#left = this.#due - performance.now();
      clearTimeout(this.#timer);
    } else {
      if (this.#passed) this.setDeadline(this.#left, this.#passed);
      this.#left = undefined;
    }
  }

  dispose(): void {
    clearTimeout(this.#timer);
  }
}

/** The promise's outcome; after an abort it has `graceMs` to come, then the signal's reason is the outcome. */
export function untilAbandoned<T>(promise: Promise<T>, signal: AbortSignal, graceMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined;
    const onAbort = () => {
      timer = setTimeout(() => reject(signal.reason), graceMs);
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    });
  });
}
