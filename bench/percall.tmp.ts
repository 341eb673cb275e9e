import { spawn } from 'node:child_process';
import { Redis } from 'ioredis';
import { createBudget } from '/work/wt/budget/src/budget/index.js';
const sock = process.argv[2] as string;
const redis = new Redis(sock);
const call = { operation: 'submit', status: 201, durationMs: 1, headers: {}, retryAfterMs: undefined } as const;
async function go(name: string, rate: number | undefined, latency: number, workers: number, seconds: number) {
  const key = `pc:{${Math.random()}}`;
  const budget = createBudget({ redis, key, ...(rate && { rate }) });
  await budget.start();
  let calls = 0; let stop = false;
  const ac = new AbortController();
  const worker = async () => { while (!stop) { const slot = await budget.acquire('submit', { signal: ac.signal }); await new Promise((r) => setTimeout(r, latency)); calls++; slot.report(call); } };
  const ws = Array.from({ length: workers }, worker);
  await new Promise((r) => setTimeout(r, 4000));
  const stat = async () => { const t = await redis.info('commandstats'); return Number(/cmdstat_evalsha:calls=(\d+)/.exec(t)?.[1] ?? 0) + Number(/cmdstat_eval:calls=(\d+)/.exec(t)?.[1] ?? 0); };
  const s0 = await stat(), c0 = calls, cpu0 = process.cpuUsage(), t0 = performance.now();
  await new Promise((r) => setTimeout(r, seconds * 1000));
  const s1 = await stat(), c1 = calls, cpu = process.cpuUsage(cpu0), t = (performance.now() - t0) / 1000;
  console.log(name, 'calls/s', Math.round((c1 - c0) / t), 'scripts/slot', ((s1 - s0) / (c1 - c0)).toFixed(4), 'cpu us/call', Math.round((cpu.user + cpu.system) / (c1 - c0)));
  stop = true; await Promise.race([Promise.all(ws), new Promise((r) => setTimeout(r, 1000))]); await budget.close();
}
await go('unlimited, 200 workers, 20 ms', undefined, 20, 200, 4);
await go('unlimited, 400 workers, 1 ms ', undefined, 1, 400, 4);
await go('known 1000/s, 200 workers   ', 1000, 20, 200, 4);
await go('known 200/s                 ', 200, 20, 200, 4);
await go('known 2000/s, demand 1000   ', 2000, 20, 20, 4);
redis.disconnect();
