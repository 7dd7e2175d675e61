import type { Payload } from '../core/payload.js';

/** Of all clients together; the oldest go first, as their servers forget them too. */
const MAX_KNOWN = 10_000;

/**
 * Tasks that servers made for clients which see these servers as ours. A server knows tasks of all its clients by id
 * alone, so ids serve only the principal whose call made them.
 */
export class ForwardedTasks {
  readonly #servers = new Map<string, string>();

  /** Looks at the answer of a call that asked for a task. */
  remember(principal: string, server: string, answer: Payload): void {
    const { task } = (answer.value ?? {}) as { task?: { taskId?: unknown } };
    if (typeof task?.taskId !== 'string') return;
    const key = keyOf(principal, task.taskId);
    // Said anew, so that it counts as young.
    this.#servers.delete(key);
    this.#servers.set(key, server);
    const [oldest] = this.#servers.keys();
    if (this.#servers.size > MAX_KNOWN && oldest !== undefined) this.#servers.delete(oldest);
  }

  /** Undefined: a task of our own, or nobody's. */
  serverOf(principal: string, taskId: unknown): string | undefined {
    return typeof taskId === 'string' ? this.#servers.get(keyOf(principal, taskId)) : undefined;
  }
}

const keyOf = (principal: string, taskId: string): string => JSON.stringify([principal, taskId]);
