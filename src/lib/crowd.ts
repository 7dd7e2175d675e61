/** What is left of the crowd with each who comes: after 64 at a time some thirty must come alone. */
const MEMORY = 0.9;

/**
 * Whether those who come are served one at a time. Whoever is alone at this moment may be the first of a wave, which is not to
 * be torn apart, so it remembers how many there were lately.
 */
export class Crowd {
  #peak = 0;

  /** @param size how many are there with the one that comes. */
  enter(size: number): void {
    this.#peak = Math.max(size, this.#peak * MEMORY);
  }

  get isOne(): boolean {
    return this.#peak < 1.5;
  }
}
