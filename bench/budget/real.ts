import { type ChildProcess, fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { Pool } from 'undici';
import { createBudget } from '../../src/budget/index.js';
import type { GatewayCall } from '../../src/gateway/types.js';
import { type ModelName, models } from '../../test/budget/servers.js';
import { type Arrival, measure } from '../../test/budget/world.js';
import { withRedis } from './redis.js';

/*
 * The budget with real processes, a real Redis and HTTP on loopback: use, 429s, overshoot, and the CPU it costs.
 *   npm run bench:budget-real -- [known|unknown|free|all] [sliding|fixed|bucket]
 */
const [part = 'all', target = '', ...callerArguments] = process.argv.slice(2);
if (part === 'caller') await call(target, callerArguments);
else await withRedis((socketPath) => bench(socketPath, part, target));

async function call(
  target: string,
  [key = '', origin = '', rate = '0', workers = '10']: string[],
): Promise<void> {
  const redis = new Redis(target);
  const budget = createBudget({ redis, key, maxHoldMs: 60_000, ...(rate !== '0' && { rate: Number(rate) }) });
  const pool = new Pool(origin, { connections: 64 });
  await budget.start();
  let calls = 0;
  const worker = async (kind: 'submit' | 'poll') => {
    for (;;) {
      const slot = await budget.acquire(kind);
      const { statusCode, headers, body } = await pool.request({ method: 'GET', path: '/' });
      await body.dump();
      calls += 1;
      const seconds = headers['retry-after'];
      const retryAfterMs = seconds === undefined ? undefined : Number(seconds) * 1000;
      const told: GatewayCall = {
        operation: 'submit',
        status: statusCode,
        durationMs: 0,
        headers: {},
        retryAfterMs,
      };
      slot.report(told);
    }
  };
  for (let i = 0; i < Number(workers); i += 1) void worker(i % 2 === 0 ? 'submit' : 'poll');
  process.on('message', () => {
    const { user, system } = process.cpuUsage();
    process.send?.({ calls, cpuMs: (user + system) / 1000 });
  });
}

interface Cell {
  model: ModelName | undefined;
  limit: number;
  known: boolean;
  processes: number;
  retryAfter?: boolean;
  from: number;
  to: number;
}

async function run(target: string, cell: Cell): Promise<void> {
  const started = performance.now();
  const now = () => performance.now() - started;
  const model = cell.model && models[cell.model](cell.limit);
  const arrivals: Arrival[] = [];
  const server = createServer((_request, response) => {
    const time = now();
    const { ok, retryAfterMs } = model?.take(time) ?? { ok: true, retryAfterMs: 0 };
    arrivals.push({ time, ok, kind: 'submit', run: '', process: 0 });
    response.statusCode = ok ? 200 : 429;
    if (!ok && cell.retryAfter)
      response.setHeader('retry-after', Math.max(1, Math.ceil(retryAfterMs / 1000)));
    response.end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const key = `bench:budget:{${randomUUID()}}`;
  const workers = Math.min(200, Math.ceil(cell.limit / 10 / cell.processes) + 8);
  const args = ['caller', target, key, origin, cell.known ? String(cell.limit) : '0', String(workers)];
  const redis = new Redis(target);
  const redisCpu = async () => {
    const info = await redis.info('cpu');
    return ['user', 'sys'].reduce(
      (sum, kind) => sum + Number(new RegExp(`used_cpu_${kind}:([\\d.]+)`).exec(info)?.[1]) * 1000,
      0,
    );
  };
  const cpuBefore = await redisCpu();
  const callers: ChildProcess[] = Array.from({ length: cell.processes }, () =>
    fork(fileURLToPath(import.meta.url), args, { execArgv: ['--import', 'tsx'] }),
  );
  const spent = { calls: 0, cpuMs: 0 };
  try {
    while (arrivals.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    const begin = arrivals[0]?.time ?? 0;
    await new Promise((resolve) => setTimeout(resolve, cell.to * 1000));
    for (const caller of callers) {
      caller.send('report');
      const [report] = (await once(caller, 'message')) as [typeof spent];
      spent.calls += report.calls;
      spent.cpuMs += report.cpuMs;
    }
    const shifted = arrivals.map((arrival) => ({ ...arrival, time: arrival.time - begin }));
    const { use, refused, refusals, overshoot } = measure(shifted, cell.limit, cell.from, cell.to);
    const redisMs = (await redisCpu()) - cpuBefore;
    console.log(
      [
        cell.known ? 'known' : 'unknown',
        cell.model ?? 'no limit',
        `${cell.limit}/s`,
        `${cell.processes} processes`,
        cell.retryAfter ? 'Retry-After' : '',
        `use ${(use * 100).toFixed(1)}%`,
        `429s ${(refused * 100).toFixed(2)}% (${refusals})${refusedAt(shifted)}`,
        `fullest second ${overshoot.toFixed(3)}`,
        `CPU per 1000 calls: Redis ${((redisMs / spent.calls) * 1000).toFixed(0)} ms, callers ${((spent.cpuMs / spent.calls) * 1000).toFixed(0)} ms`,
      ].join('  '),
    );
  } finally {
    for (const caller of callers) caller.kill('SIGKILL');
    server.closeAllConnections();
    server.close();
    redis.disconnect();
  }
}

/** When the first 429s came, seconds after the first call: those of the start are not of the same kind as later ones. */
function refusedAt(arrivals: Arrival[]): string {
  const seconds = arrivals.filter(({ ok }) => !ok).map(({ time }) => (time / 1000).toFixed(2));
  return seconds.length > 0 ? ` first at ${seconds.slice(0, 5).join(', ')} s` : '';
}

async function bench(target: string, which: string, server: string): Promise<void> {
  const wants = (name: string) => which === name || which === 'all';
  if (wants('known'))
    for (const model of (['sliding', 'fixed', 'bucket'] as const).filter((m) => [m, ''].includes(server)))
      for (const limit of [200, 1000])
        for (const processes of [1, 4])
          await run(target, { model, limit, known: true, processes, from: 2, to: 17 });
  if (wants('free'))
    await run(target, { model: undefined, limit: 5000, known: false, processes: 1, from: 2, to: 3 });
  if (wants('unknown')) {
    await run(target, {
      model: 'fixed',
      limit: 50,
      known: false,
      processes: 4,
      retryAfter: true,
      from: 30,
      to: 90,
    });
    await run(target, { model: 'sliding', limit: 500, known: false, processes: 4, from: 30, to: 90 });
  }
}
