import { readdir, readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { RuntimeError } from '../core/errors.js';
import { Payload } from '../core/payload.js';
import type { CallToolResult } from '../core/upstream.js';
import { PARTIAL_SUFFIX, writeFileAtomic } from '../lib/atomic-file.js';
import { ensurePrivateDir } from '../lib/private-dir.js';
import type { TaskRows } from './task-rows.js';

/** Rows above this make SQLite's page chains slow; a file is written once and read once. */
const INLINE_BYTES = 256 * 1024;
const NAME = /^[0-9a-f-]{36}\.json$/;

/** Results of tasks: small ones in the row, large ones in a file beside the database. */
export class TaskResults {
  readonly #directory: string;
  readonly #rows: TaskRows;

  constructor(directory: string, rows: TaskRows) {
    this.#directory = directory;
    this.#rows = rows;
  }

  /** @returns what the row of the task is to hold. */
  async keep(
    id: string,
    payload: Payload<CallToolResult>,
  ): Promise<{ result?: Uint8Array; resultFile?: string }> {
    const { bytes } = payload;
    if (bytes.byteLength <= INLINE_BYTES) return { result: bytes };
    const resultFile = `${id}.json`;
    await writeFileAtomic(join(this.#directory, resultFile), bytes);
    return { resultFile };
  }

  async read(id: string): Promise<Payload<CallToolResult> | undefined> {
    const { bytes, file } = this.#rows.result(id);
    if (bytes) return Payload.fromBytes(bytes);
    if (file === undefined) return undefined;
    try {
      return Payload.fromBytes(await readFile(join(this.#directory, file)));
    } catch (error) {
      throw new RuntimeError(
        'STORAGE_FAILED',
        `The stored result of the task cannot be read: ${(error as Error).message}.`,
        {
          cause: error,
        },
      );
    }
  }

  async remove(names: readonly string[]): Promise<void> {
    for (const name of names) await unlink(join(this.#directory, name)).catch(() => {});
  }

  /** At start: files that a crash left without a row. */
  async sweep(): Promise<void> {
    await ensurePrivateDir(this.#directory);
    const known = new Set(this.#rows.resultFiles());
    const names = await readdir(this.#directory);
    await this.remove(
      names.filter((name) => name.endsWith(PARTIAL_SUFFIX) || (NAME.test(name) && !known.has(name))),
    );
  }
}
