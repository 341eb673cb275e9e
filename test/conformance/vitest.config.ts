import { defineConfig } from 'vitest/config';

/** `npm run conformance`: against the Gateway at `ASG_BASE_URL`, else against a local one; needs no Redis. */
export default defineConfig({
  test: {
    include: ['test/conformance/*.test.ts'],
    // Cases turn the one Gateway that all files share.
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 60_000,
    env: {
      ASG_CONFORMANCE_URL: process.env.ASG_BASE_URL ?? '',
      ASG_CONFORMANCE_KEY: process.env.ASG_API_KEY ?? '',
    },
  },
});
