import { errorTable } from '../core/error-table.js';
import { type Turn, takeTurn } from './starting-turn.js';

/** What is needed of a started process; Node's ChildProcess has it. */
export interface SpawnedEngine {
  readonly pid?: number | undefined;
  once(event: 'exit', listener: (code: number | null, signal: string | null) => void): unknown;
  once(event: 'error', listener: (error: Error) => void): unknown;
}

/** Between two tries while an engine that is about to end still has the lock. */
const AGAIN_MS = 500;

/** The exit code of ENGINE_UNAVAILABLE in the table of errors. */
const ALREADY_RUNNING = errorTable.ENGINE_UNAVAILABLE.exit;

/**
 * What one front-end does to start an engine. It needs nothing of the link to it, so that an engine can be on its way
 * before the rest of the front-end is loaded.
 */
export class EngineStart {
  readonly #startingPath: string;
  readonly #spawn: () => SpawnedEngine;
  #turn: Turn | undefined;
  #isStarted = false;
  #foundOther = false;
  #problem: string | undefined;

  /** @param startingPath of the directory of the engine. */
  constructor(startingPath: string, spawn: () => SpawnedEngine) {
    this.#startingPath = startingPath;
    this.#spawn = spawn;
  }

  /** Why there will be no engine from here. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Whether the engine that is waited for is one that we have started. */
  get isOurs(): boolean {
    return this.#isStarted;
  }

  /** Whether one of ours ended because another has the place. */
  get foundOther(): boolean {
    return this.#foundOther;
  }

  /** Starts one, if it is our turn and none is on its way. To be asked again until there is an engine. */
  async attempt(): Promise<void> {
    if (this.#turn === undefined) this.#turn = await takeTurn(this.#startingPath);
    else await this.#turn.keep();
    if (this.#turn === undefined || this.#isStarted) return;
    this.#isStarted = true;
    const engine = this.#spawn();
    engine.once('error', (error) => {
      this.#problem = `The engine could not be started: ${error.message}.`;
    });
    engine.once('exit', (code, signal) => {
      if (code === ALREADY_RUNNING) this.#foundOther = true;
      // It found another, which may be about to answer, or about to end.
      if (code === 0 || code === ALREADY_RUNNING)
        setTimeout(() => {
          this.#isStarted = false;
        }, AGAIN_MS).unref();
      else this.#problem = `The engine ended at once (${signal ?? `code ${code}`}). Its log says why.`;
    });
  }

  /** Lets others have the turn. Idempotent. */
  async end(): Promise<void> {
    const turn = this.#turn;
    this.#turn = undefined;
    await turn?.end();
  }
}
