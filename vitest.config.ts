import { defineConfig } from 'vitest/config';

// No test has a time limit: a slow or busy machine is not a failure, and what hangs is ended by whoever runs the suite.
export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    testTimeout: 0,
    hookTimeout: 0,
    pool: 'forks',
    maxWorkers: 2,
    execArgv: [],
    // No test reads or fills the cache of whoever runs it.
    env: { CERTUNE_CACHE: 'off' },
  },
});
