import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { openEmbeddedRedis } from '../../src/redis/embedded.js';

/** Runs `use` on a Redis of its own, which goes with its data. */
export async function withRedis(use: (socketPath: string) => Promise<void>): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'asg-bench-'));
  const redis = await openEmbeddedRedis(dir, { log: pino({ level: 'warn' }, pino.destination(2)) });
  try {
    await use(redis.socketPath);
  } finally {
    await redis.close();
    // It ends just after its last user, and may write to its folder until then.
    await rm(dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 250 });
  }
}
