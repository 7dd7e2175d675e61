import type { Logger } from '../lib/log.js';
import { taskErrors as errors } from './task-errors.js';
import type { Ending, TaskRow, TaskRows } from './task-rows.js';

/** How tasks ended, on disk; what the disk does not take holds here meanwhile. */
export class Endings {
  readonly #rows: TaskRows;
  readonly #logger: Logger;
  readonly #unsaved = new Map<string, Ending>();
  #closed = false;

  constructor(rows: TaskRows, logger: Logger) {
    this.#rows = rows;
    this.#logger = logger;
  }

  /** @returns false when the task had ended before: the first ending stands. */
  write(id: string, ending: Ending): boolean {
    try {
      return this.#rows.end(id, ending);
    } catch (problem) {
      this.#logger.error({ task: id, error: String(problem) }, 'the end of a task could not be stored');
      const { status, endedAt, expiresAt } = ending;
      this.#unsaved.set(
        id,
        status === 'completed'
          ? { status: 'failed', endedAt, expiresAt, error: errors.resultNotStored(problem).toJSON() }
          : { status, endedAt, expiresAt, error: ending.error },
      );
      // The result may have been what did not fit: the bare end is tried at once, and again by the sweep.
      setTimeout(() => this.#saveQuietly(), 0).unref();
      return true;
    }
  }

  /** The row as it stands, with an end that could not be written yet. */
  current(row: TaskRow): TaskRow {
    const unsaved = this.#unsaved.get(row.id);
    if (!unsaved) return row;
    const { status, endedAt, expiresAt, error } = unsaved;
    return { ...row, status, endedAt, expiresAt, error };
  }

  /** Tries again to write what could not be. */
  save(): void {
    for (const [id, ending] of this.#unsaved) {
      this.#rows.end(id, ending);
      this.#unsaved.delete(id);
    }
  }

  close(): void {
    this.#closed = true;
  }

  #saveQuietly(): void {
    try {
      if (!this.#closed) this.save();
    } catch (error) {
      this.#logger.warn({ error: String(error) }, 'the end of a task still cannot be stored');
    }
  }
}
