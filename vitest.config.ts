import { defineConfig } from 'vitest/config';
import { secondTries } from './test/support/second-tries.js';

export default defineConfig({
  plugins: [secondTries],
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    // Real processes are started by most suites: two workers match the smallest machine we support.
    pool: 'forks',
    maxWorkers: 2,
    // A busy CI machine can starve a real process; what fails three times is broken. Nothing is tried again elsewhere.
    retry: process.env['CI'] === undefined ? 0 : 2,
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});
