import type { Plugin } from 'vitest/config';
import type { Reporter, TestCase } from 'vitest/node';

/** Prints why tests failed that passed at a later try: that is a fault as well, of the test or of the program. */
class SecondTries implements Reporter {
  readonly #tests: TestCase[] = [];

  onTestCaseResult(test: TestCase): void {
    if (test.diagnostic()?.flaky) this.#tests.push(test);
  }

  onTestRunEnd(): void {
    if (this.#tests.length === 0) return;
    const lines = this.#tests.flatMap((test) => [
      `\n${test.module.relativeModuleId} > ${test.fullName}`,
      ...(test.result().errors ?? []).map((error) => error.stack ?? error.message),
    ]);
    process.stdout.write(
      `\n${this.#tests.length} tests passed at a second try only:\n${lines.join('\n')}\n\n`,
    );
  }
}

/** Adds that to whatever reporters the command line names. */
export const secondTries: Plugin = {
  name: 'second-tries',
  configureVitest: ({ vitest }) => {
    vitest.config.reporters.push(new SecondTries());
  },
};
