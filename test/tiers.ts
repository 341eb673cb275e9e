import type { ViteUserConfig } from 'vitest/config';

/** Every test there is. */
export const ALL = ['test/**/*.test.ts'];

/** Runs that are killed again and again, and simulations of minutes: `npm run test:slow`, which CI runs as well. */
export const SLOW = [
  'test/budget/{fleet,search}.test.ts',
  'test/consumers/poll-schedule/plan.test.ts',
  'test/pipeline/{corners,envelopes,escalate,feeds,gold,pilot,since,stops}.test.ts',
  'test/webhooks/settle.test.ts',
];

/** Long ones, with breaking servers or many runs: `npm run test:long`. */
export const LONG = ['test/{bench,campaign,plan,scenarios,security,world}/**/*.test.ts'];

/** Too long for each change: only `npm run test:all` runs them. */
export const LONGEST = ['test/security/scan.test.ts'];

/** One tier of the tests: some files, and what holds for all of them. */
export const tier = (include: string[], exclude: string[] = []): ViteUserConfig => ({
  test: {
    include,
    exclude: ['**/node_modules/**', ...exclude],
    globalSetup: ['test/setup/build.ts', 'test/setup/redis.ts'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    maxWorkers: 3,
    // Shared CI machines stall for seconds: what fails there runs once more, and the report counts it.
    retry: process.env.CI ? 1 : 0,
    pool: 'forks',
  },
});
