/**
 * What deliveries are worth, from the built package against a local Gateway in a process of its own:
 *   npm run bench:webhooks -- [lines] [case]     polls per label and time from settled to collected, by how lines settle
 *
 * At a known limit of 100 calls/s, so that it is not the machine that is measured. The safety net is drawn tight
 * (`--poll-delay 250ms` makes it 6 s, not 2 min), so that the faulty cases end soon.
 */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { cleanUp, cli, manifest, redisSocket, remoteGateway, round, TASK } from './harness.js';

const SETTLE = ['--settle', '1s..5s'];
const FAULTS = [
  ...['--webhook-drop', '0.3', '--webhook-duplicate', '0.2'],
  ...['--webhook-delay', '0s..100ms', '--latency-after', '0s..100ms'],
];

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** Time from settled to collected (ms) of each row that comes into the run's results stream, until stopped. */
function watchRows(run: string) {
  const delays: number[] = [];
  const redis = new Redis({ path: redisSocket, retryStrategy: () => 100 });
  redis.on('error', () => undefined);
  let over = false;
  void (async () => {
    let from = '0';
    while (!over) {
      const stream = `{asg:${run}}:results`;
      const read = await redis.xread('COUNT', 1_000, 'STREAMS', stream, from).catch(() => null);
      for (const [id, [, , , row]] of (read?.[0]?.[1] ?? []) as [string, string[]][]) {
        from = id;
        const { settled_at } = JSON.parse(row ?? '{}') as { settled_at?: string };
        if (settled_at) delays.push(Number(id.split('-')[0]) - Date.parse(settled_at));
      }
      await sleep(50);
    }
  })();
  return () => {
    over = true;
    redis.disconnect();
    return delays.sort((a, b) => a - b);
  };
}

async function measure(name: string, lines: number, gatewayFlags: string[], runFlags: string[]) {
  const gateway = await remoteGateway(...SETTLE, ...gatewayFlags);
  const stop = watchRows(name);
  const began = performance.now();
  const { exit } = cli(
    ...['run', await manifest(lines), '--gateway-url', gateway.url, '--out', `out-${name}`, '--run-id', name],
    ...['--json', '--quiet', '--rate', '100', '--poll-delay', '250ms', ...TASK, ...runFlags],
  );
  const { status, stdout } = await exit;
  const seconds = (performance.now() - began) / 1000;
  const delays = stop();
  const { settled, failed, polls_per_label } = JSON.parse(stdout) as Record<string, number>;
  const at = (share: number) => round(delays[Math.floor(share * (delays.length - 1))] ?? Number.NaN, 0);
  console.log({
    case: name,
    status,
    settled,
    failed,
    polls_per_label,
    rows_watched: delays.length,
    collect_delay_ms: { median: at(0.5), p95: at(0.95), p99: at(0.99) },
    lines_per_second: round(lines / seconds),
  });
  gateway.stop();
}

async function webhookFlags(...more: string[]): Promise<string[]> {
  const port = String(await freePort());
  return ['--webhook-url', `http://127.0.0.1:${port}/hook`, '--webhook-port', port, ...more];
}

const [lines, only] = [Number(process.argv[2] ?? 1_500), process.argv[3]];
const CASES: Record<string, () => Promise<void>> = {
  polling: () => measure('polling', lines, [], []),
  webhooks: async () => measure('webhooks', lines, [], await webhookFlags()),
  trusted: async () => measure('trusted', lines, [], await webhookFlags('--webhook-trust')),
  faults: async () => measure('faults', lines, FAULTS, await webhookFlags()),
  'trusted-faults': async () =>
    measure('trusted-faults', lines, FAULTS, await webhookFlags('--webhook-trust')),
};
process.env.ASG_WEBHOOK_SECRET = 'whsec_bench';
try {
  for (const [name, run] of Object.entries(CASES)) if (only === undefined || only === name) await run();
} finally {
  await cleanUp();
}
