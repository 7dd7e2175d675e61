import { nextTick } from 'node:process';

/** Who was asked again within this time is busy, ms. */
const BUSY_MS = 0.05;

/**
 * Does something once, soon, for all who ask meanwhile: what is gathered leaves in one system call. Right behind the event
 * that is being handled, which has one lonely call answered some 10 us earlier than a turn of the event loop does; while
 * it is busy at the end of the turn, so that what many sockets bring in one turn leaves together.
 */
export class Soon {
  readonly #work: () => void;
  #isAsked = false;
  #last = Number.NEGATIVE_INFINITY;

  /** @param work must not throw. */
  constructor(work: () => void) {
    this.#work = work;
  }

  ask(): void {
    if (this.#isAsked) return;
    this.#isAsked = true;
    if (performance.now() - this.#last < BUSY_MS) setImmediate(this.#run);
    else nextTick(this.#run);
  }

  readonly #run = (): void => {
    this.#isAsked = false;
    this.#work();
    this.#last = performance.now();
  };
}
