import { nextTick } from 'node:process';

/**
 * Does something once, soon, for all who ask meanwhile, so that what is gathered leaves in one system call. With the turn of the
 * event loop, in which many sockets may bring something; or, for who is alone and would wait for nobody, right behind the
 * event that is being handled.
 */
export class Soon {
  readonly #work: () => void;
  #isAsked = false;

  /** @param work must not throw. */
  constructor(work: () => void) {
    this.#work = work;
  }

  /** @param isAlone whether nothing else is to be expected in this turn. Counts only for who asks first. */
  ask(isAlone: boolean): void {
    if (this.#isAsked) return;
    this.#isAsked = true;
    if (isAlone) nextTick(this.#run);
    else setImmediate(this.#run);
  }

  readonly #run = (): void => {
    this.#isAsked = false;
    this.#work();
  };
}
