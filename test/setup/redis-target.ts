import { randomBytes } from 'node:crypto';
import { inject } from 'vitest';

/** The test run's Redis. Its data is shared by all test files: keep to keys under a `uniquePrefix()`. */
export function testRedis(): { socketPath: string } {
  return { socketPath: inject('redisSocket') };
}

/** A key prefix that no other test uses. */
export function uniquePrefix(): string {
  return `t${randomBytes(6).toString('hex')}`;
}
