import type { Asker } from '../core/caller.js';
import type { RuntimeErrorJson } from '../core/errors.js';
import type { TaskStatus } from '../core/task.js';
import type { Progress } from '../core/upstream.js';
import { openDatabase, type Sqlite, type SqlValue } from '../lib/sqlite.js';

/** A task as it stands in the database. Times are ms since the epoch. */
export interface TaskRow {
  readonly seq: number;
  readonly id: string;
  readonly principal: string;
  readonly clientId: string;
  readonly server: string;
  readonly tool: string;
  /** JSON. */
  readonly arguments: string;
  readonly priority: number;
  readonly timeoutMs: number;
  readonly countWaiting: boolean;
  readonly idempotent: boolean;
  readonly maxPerServer: number | undefined;
  /** Of the client, as far as a server may ask it. */
  readonly capabilities: Readonly<Record<string, unknown>> | undefined;
  /** What counts, besides the principal, when it is decided whether the call may be made. */
  readonly asker: Omit<Asker, 'principal'> & { readonly confirmed: boolean };
  readonly status: TaskStatus;
  /** How often it was started. */
  readonly attempts: number;
  readonly createdAt: number;
  readonly startedAt: number | undefined;
  readonly endedAt: number | undefined;
  readonly expiresAt: number | undefined;
  readonly progress: Progress | undefined;
  readonly error: RuntimeErrorJson | undefined;
}

export type NewTaskRow = Omit<
  TaskRow,
  'seq' | 'status' | 'attempts' | 'startedAt' | 'endedAt' | 'expiresAt' | 'progress' | 'error'
>;

/** How a task ended; written once. */
export interface Ending {
  readonly status: 'completed' | 'failed' | 'cancelled';
  readonly endedAt: number;
  readonly expiresAt: number;
  readonly error?: RuntimeErrorJson | undefined;
  readonly result?: Uint8Array | undefined;
  /** Name of the file that holds a result too large for a row. */
  readonly resultFile?: string | undefined;
}

const migrations = [
  `CREATE TABLE tasks (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, principal TEXT NOT NULL, client_id TEXT NOT NULL,
    server TEXT NOT NULL, tool TEXT NOT NULL, arguments TEXT NOT NULL, priority INTEGER NOT NULL,
    timeout_ms INTEGER NOT NULL, count_waiting INTEGER NOT NULL, idempotent INTEGER NOT NULL, max_per_server INTEGER,
    status TEXT NOT NULL, attempts INTEGER NOT NULL, created_at INTEGER NOT NULL, started_at INTEGER,
    ended_at INTEGER, expires_at INTEGER, progress TEXT, error TEXT, result BLOB, result_file TEXT);
  CREATE INDEX tasks_owner ON tasks (principal, seq);
  CREATE INDEX tasks_expiry ON tasks (expires_at);
  CREATE INDEX tasks_living ON tasks (status) WHERE status IN ('queued', 'running')`,
  'ALTER TABLE tasks ADD COLUMN capabilities TEXT',
  'ALTER TABLE tasks ADD COLUMN asker TEXT',
];

// Results are read apart: a list of tasks must not carry megabytes.
const COLUMNS = `seq, id, principal, client_id, server, tool, arguments, priority, timeout_ms, count_waiting, idempotent,
  max_per_server, capabilities, asker, status, attempts, created_at, started_at, ended_at, expires_at, progress, error`;
const LIVING = "status IN ('queued', 'running')";

type Columns = Record<string, string | number | null>;

/** The table of tasks. Every change is durable when its method returns; throws what SQLite says. */
export class TaskRows {
  readonly #db: Sqlite;

  constructor(path: string) {
    this.#db = openDatabase(path, 'tasks', migrations);
  }

  insert(task: NewTaskRow): TaskRow {
    this.#db.run(
      `INSERT INTO tasks (id, principal, client_id, server, tool, arguments, priority, timeout_ms, count_waiting,
        idempotent, max_per_server, capabilities, asker, status, attempts, created_at)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'queued', 0, ?)`,
      task.id,
      task.principal,
      task.clientId,
      task.server,
      task.tool,
      task.arguments,
      task.priority,
      task.timeoutMs,
      Number(task.countWaiting),
      Number(task.idempotent),
      task.maxPerServer ?? null,
      task.capabilities === undefined ? null : JSON.stringify(task.capabilities),
      JSON.stringify(task.asker),
      task.createdAt,
    );
    const row = this.find(task.principal, task.id);
    if (!row) throw new Error('the task that was written is not there');
    return row;
  }

  /** A task that runs already. */
  insertRunning(task: NewTaskRow, at: number): TaskRow {
    return this.#db.transaction(() => {
      const row = this.insert(task);
      this.start(row.id, at);
      return { ...row, status: 'running', startedAt: at, attempts: 1 };
    });
  }

  find(principal: string, id: string): TaskRow | undefined {
    return this.#many('WHERE id = ? AND principal = ?', id, principal)[0];
  }

  living(): TaskRow[] {
    return this.#many(`WHERE ${LIVING} ORDER BY seq`);
  }

  list(
    principal: string,
    clientId: string | undefined,
    now: number,
    limit: number,
    offset: number,
  ): TaskRow[] {
    const { where, values } = visible(principal, clientId, now);
    return this.#many(`${where} ORDER BY seq DESC LIMIT ? OFFSET ?`, ...values, limit, offset);
  }

  count(principal: string, clientId: string | undefined, now: number): number {
    const { where, values } = visible(principal, clientId, now);
    return this.#db.get<{ n: number }>(`SELECT COUNT(*) AS n FROM tasks ${where}`, ...values)?.n ?? 0;
  }

  /** Of one principal, or of all. */
  counts(principal?: string): Record<TaskStatus, number> {
    const counts = { queued: 0, running: 0, completed: 0, failed: 0, cancelled: 0 };
    const [where, values] = principal === undefined ? ['', []] : ['WHERE principal = ?', [principal]];
    const sql = `SELECT status, COUNT(*) AS n FROM tasks ${where} GROUP BY status`;
    const found = this.#db.all<{ status: TaskStatus; n: number }>(sql, ...values);
    for (const { status, n } of found) counts[status] = n;
    return counts;
  }

  /** Before a task runs, so that a crash from here on is known as one that may have run it. */
  start(id: string, at: number): boolean {
    const sql = `UPDATE tasks SET status = 'running', attempts = attempts + 1, started_at = ? WHERE id = ? AND status = 'queued'`;
    return this.#db.run(sql, at, id) === 1;
  }

  /** Back to its place in the queue. @param undo the start is not counted, for one that did no harm. */
  requeue(id: string, undo = false): boolean {
    const sql = `UPDATE tasks SET status = 'queued', started_at = NULL, progress = NULL, attempts = attempts - ?
      WHERE id = ? AND status = 'running'`;
    return this.#db.run(sql, Number(undo), id) === 1;
  }

  /** @returns false when the task had ended before: the first ending stands. */
  end(id: string, ending: Ending): boolean {
    const sql = `UPDATE tasks SET status = ?, ended_at = ?, expires_at = ?, error = ?, result = ?, result_file = ?
      WHERE id = ? AND ${LIVING}`;
    const changed = this.#db.run(
      sql,
      ending.status,
      ending.endedAt,
      ending.expiresAt,
      ending.error ? JSON.stringify(ending.error) : null,
      ending.result ?? null,
      ending.resultFile ?? null,
      id,
    );
    return changed === 1;
  }

  setProgress(id: string, progress: Progress): void {
    this.#db.run(
      `UPDATE tasks SET progress = ? WHERE id = ? AND status = 'running'`,
      JSON.stringify(progress),
      id,
    );
  }

  result(id: string): { readonly bytes: Uint8Array | undefined; readonly file: string | undefined } {
    const row = this.#db.get<{ result: Uint8Array | null; result_file: string | null }>(
      'SELECT result, result_file FROM tasks WHERE id = ?',
      id,
    );
    return { bytes: row?.result ?? undefined, file: row?.result_file ?? undefined };
  }

  /** Names of all files that results stand in. */
  resultFiles(): string[] {
    const sql = 'SELECT result_file AS name FROM tasks WHERE result_file IS NOT NULL';
    return this.#db.all<{ name: string }>(sql).map(({ name }) => name);
  }

  /**
   * Drops results and arguments of what expired, and the rows themselves after `forgetBefore`, until when they tell
   * "expired" from "never heard of". @returns the files that nothing names any more.
   */
  expire(now: number, forgetBefore: number): string[] {
    return this.#db.transaction(() => {
      const gone = 'expires_at <= ? AND result_file IS NOT NULL';
      const files = this.#db.all<{ name: string }>(
        `SELECT result_file AS name FROM tasks WHERE ${gone}`,
        now,
      );
      this.#db.run(
        `UPDATE tasks SET result = NULL, result_file = NULL, error = NULL, progress = NULL, arguments = ''
          WHERE expires_at <= ? AND arguments <> ''`,
        now,
      );
      this.#db.run('DELETE FROM tasks WHERE expires_at <= ?', forgetBefore);
      return files.map(({ name }) => name);
    });
  }

  close(): void {
    this.#db.close();
  }

  #many(where: string, ...values: SqlValue[]): TaskRow[] {
    return this.#db.all<Columns>(`SELECT ${COLUMNS} FROM tasks ${where}`, ...values).map(fromColumns);
  }
}

function visible(principal: string, clientId: string | undefined, now: number) {
  const where = 'WHERE principal = ? AND (expires_at IS NULL OR expires_at > ?)';
  const values: SqlValue[] = [principal, now];
  return clientId === undefined
    ? { where, values }
    : { where: `${where} AND client_id = ?`, values: [...values, clientId] };
}

function fromColumns(row: Columns): TaskRow {
  const json = <T>(value: unknown) => (typeof value === 'string' ? (JSON.parse(value) as T) : undefined);
  const number = (value: unknown) => (typeof value === 'number' ? value : undefined);
  return {
    seq: Number(row['seq']),
    id: String(row['id']),
    principal: String(row['principal']),
    clientId: String(row['client_id']),
    server: String(row['server']),
    tool: String(row['tool']),
    arguments: String(row['arguments']),
    priority: Number(row['priority']),
    timeoutMs: Number(row['timeout_ms']),
    countWaiting: row['count_waiting'] === 1,
    idempotent: row['idempotent'] === 1,
    maxPerServer: number(row['max_per_server']),
    capabilities: json<Record<string, unknown>>(row['capabilities']),
    // Tasks of an earlier version were accepted when nothing was restricted.
    asker: json<TaskRow['asker']>(row['asker']) ?? { confirmed: false },
    status: row['status'] as TaskStatus,
    attempts: Number(row['attempts']),
    createdAt: Number(row['created_at']),
    startedAt: number(row['started_at']),
    endedAt: number(row['ended_at']),
    expiresAt: number(row['expires_at']),
    progress: json<Progress>(row['progress']),
    error: json<RuntimeErrorJson>(row['error']),
  };
}
