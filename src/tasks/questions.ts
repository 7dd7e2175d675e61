import type { RuntimeError } from '../core/errors.js';
import type { TaskQuestion } from '../core/task.js';
import { taskErrors as errors } from './task-errors.js';

/** Questions of one task in all; what asks on and on is ended. */
const MAX_QUESTIONS = 50;

interface Open extends TaskQuestion {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly timer: NodeJS.Timeout;
}

interface QuestionHooks {
  /** A question came, or one was answered. */
  onChange(): void;
  /** Nobody answered, or it asks too often: the task is over. */
  onGiveUp(error: RuntimeError): void;
}

/** What the server of one task wants to know, until somebody answers. */
export class Questions {
  readonly #open = new Map<string, Open>();
  readonly #task: { readonly server: string; readonly tool: string };
  readonly #answerMs: number;
  readonly #hooks: QuestionHooks;
  #count = 0;
  #closed: unknown;

  /** @param answerMs how long each question may wait. */
  constructor(
    task: { readonly server: string; readonly tool: string },
    answerMs: number,
    hooks: QuestionHooks,
  ) {
    this.#task = task;
    this.#answerMs = answerMs;
    this.#hooks = hooks;
  }

  get areOpen(): boolean {
    return this.#open.size > 0;
  }

  /** Undefined when nothing is open. */
  get open(): Readonly<Record<string, TaskQuestion>> | undefined {
    if (this.#open.size === 0) return undefined;
    return Object.fromEntries([...this.#open].map(([key, { method, params }]) => [key, { method, params }]));
  }

  /** Resolves with the answer; rejects with that of somebody who refuses, or because the task is over. */
  ask(method: string, params: unknown): Promise<unknown> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    this.#count += 1;
    // No key is used twice in the life of a task, so that a late answer never meets another question.
    const key = `${this.#count}`;
    if (this.#count > MAX_QUESTIONS) return this.#giveUp(errors.askedTooOften(this.#task, MAX_QUESTIONS));
    return new Promise((resolve, reject) => {
      const late = () => this.#giveUp(errors.notAnswered(this.#task, method, this.#answerMs)).catch(reject);
      const timer = setTimeout(late, this.#answerMs).unref();
      this.#open.set(key, { method, params, resolve, reject, timer });
      this.#hooks.onChange();
    });
  }

  /** Takes answers by the keys of their questions; those to none that is open are for nobody. @returns how many were. */
  answer(answers: Readonly<Record<string, unknown>>): number {
    let taken = 0;
    for (const [key, answer] of Object.entries(answers)) {
      const question = this.#open.get(key);
      if (!question) continue;
      taken += 1;
      this.#open.delete(key);
      clearTimeout(question.timer);
      const refusal = refusalOf(answer);
      if (refusal) question.reject(refusal);
      else question.resolve(answer);
    }
    if (taken > 0) this.#hooks.onChange();
    return taken;
  }

  /** The task is over: nobody waits for answers. */
  close(why: unknown): void {
    this.#closed ??= why;
    for (const { reject, timer } of this.#open.values()) {
      clearTimeout(timer);
      reject(why);
    }
    this.#open.clear();
  }

  #giveUp(error: RuntimeError): Promise<never> {
    this.#hooks.onGiveUp(error);
    return Promise.reject(error);
  }
}

/** A client may answer with a JSON-RPC error; no result of these requests has a field of that name. */
function refusalOf(answer: unknown): object | undefined {
  const { error } = (answer ?? {}) as { error?: { code?: unknown } };
  return typeof error === 'object' && typeof error?.code === 'number' ? error : undefined;
}
