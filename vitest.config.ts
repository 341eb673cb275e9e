import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/setup/build.ts', 'test/setup/redis.ts'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    maxWorkers: 3,
    // Shared CI machines stall for seconds: what fails there runs once more, and the report counts it.
    retry: process.env.CI ? 1 : 0,
    pool: 'forks',
  },
});
