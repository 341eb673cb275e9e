/**
 * What deliveries are worth, from the built package against a local Gateway in a process of its own:
 *   npm run bench:webhooks -- [lines] [case]     seconds, polls per label, and time from settled to collected
 *
 * The Gateway has no limit and labels come after 1.5 to 4.5 s. `lost`: 20% of the deliveries are dropped, 20% come twice,
 * and as many as 5% of the lines come from somebody who does not know the secret.
 */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { cleanUp, cli, manifest, redisSocket, remoteGateway, round, TASK } from './harness.js';

const SETTLE = ['--settle', '1500ms..4500ms'];
const LOST = ['--webhook-drop', '0.2', '--webhook-duplicate', '0.2', '--webhook-delay', '0s..100ms'];
const FORGED_SHARE = 0.05;

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
      for (const [id, fields] of (read?.[0]?.[1] ?? []) as [string, string[]][]) {
        from = id;
        for (const row of (fields[5] ?? '').split('\n')) {
          const { settled_at } = JSON.parse(row || '{}') as { settled_at?: string };
          if (settled_at) delays.push(Number(id.split('-')[0]) - Date.parse(settled_at));
        }
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

/** Deliveries of somebody who does not know the secret, while the run goes on. */
async function forge(hook: string, count: number): Promise<void> {
  for (let n = 0; n < count; n += 1) {
    const body = JSON.stringify({ event: 'task.settled', task_id: `task_${n}`, consensus_label: 'cat' });
    const headers = { 'content-type': 'application/json', 'x-asg-signature': `sha256=${'0'.repeat(64)}` };
    await fetch(hook, { method: 'POST', headers, body }).catch(() => undefined);
    await sleep(20);
  }
}

async function measure(
  name: string,
  lines: number,
  { gatewayFlags = [], hook, trust = false }: { gatewayFlags?: string[]; hook?: string; trust?: boolean },
) {
  const gateway = await remoteGateway(...SETTLE, ...gatewayFlags);
  const stop = watchRows(name);
  const began = performance.now();
  const { exit } = cli(
    ...['run', await manifest(lines), '--gateway-url', gateway.url, '--out', `out-${name}`, '--run-id', name],
    ...['--json', '--quiet', ...TASK, ...(hook === undefined ? [] : hookFlags(hook))],
    ...(trust ? ['--webhook-trust'] : []),
  );
  const forged = hook !== undefined && gatewayFlags === LOST ? forge(hook, FORGED_SHARE * lines) : null;
  const { status, stdout } = await exit;
  const seconds = (performance.now() - began) / 1000;
  await forged;
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
    seconds: round(seconds),
  });
  gateway.stop();
}

const hookFlags = (hook: string) => ['--webhook-url', hook, '--webhook-port', new URL(hook).port];
const newHook = async () => `http://127.0.0.1:${await freePort()}/hook`;

const [lines, only] = [Number(process.argv[2] ?? 2_000), process.argv[3]];
const CASES: Record<string, () => Promise<void>> = {
  polling: () => measure('polling', lines, {}),
  clean: async () => measure('clean', lines, { hook: await newHook() }),
  lost: async () => measure('lost', lines, { hook: await newHook(), gatewayFlags: LOST }),
  trusted: async () => measure('trusted', lines, { hook: await newHook(), trust: true }),
  'trusted-lost': async () =>
    measure('trusted-lost', lines, { hook: await newHook(), gatewayFlags: LOST, trust: true }),
};
process.env.ASG_WEBHOOK_SECRET = 'whsec_bench';
try {
  for (const [name, run] of Object.entries(CASES)) if (only === undefined || only === name) await run();
} finally {
  await cleanUp();
}
