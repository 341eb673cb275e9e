import { Redis } from 'ioredis';
import { createBudget } from '../../src/budget/index.js';

/** A process that calls as often as it is let, and tells its parent when (epoch ms). Arguments: socket, key, limit. */
const [socket = '', key = '', limit = '1'] = process.argv.slice(2);
const redis = new Redis(socket);
const budget = createBudget({ redis, key, rate: Number(limit) });
await budget.start();
async function worker(kind: 'submit' | 'poll') {
  for (;;) {
    const slot = await budget.acquire(kind);
    process.send?.(performance.timeOrigin + performance.now());
    slot.report({ operation: 'submit', status: 201, durationMs: 1, headers: {}, retryAfterMs: undefined });
  }
}
for (let i = 0; i < 10; i += 1) void worker(i % 2 === 0 ? 'submit' : 'poll');
