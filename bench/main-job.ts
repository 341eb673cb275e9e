/**
 * The main job's figures, from the built package against a local Gateway in a process of its own:
 *   npm run bench:main-job -- rate [n] [seconds] [unknown]   share of a limit used by three processes, 429s seen
 *   npm run bench:main-job -- kill [lines] [kills]   random kill -9, then the Gateway's record is checked
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type SandboxStats, startSandbox } from '../src/sandbox/index.js';
import { cleanUp, cli, manifest, remoteGateway, round, TASK } from './harness.js';

const runArgs = (file: string, url: string, ...more: string[]) => [
  ...[
    'run',
    file,
    '--gateway-url',
    url,
    '--out',
    'out',
    '--run-id',
    'bench',
    '--json',
    '--quiet',
    ...TASK,
    ...more,
  ],
];

async function rate(limit: number, seconds: number, known: boolean): Promise<void> {
  const gateway = await remoteGateway(
    '--settle',
    '1s..3s',
    '--rate-limit',
    String(limit),
    '--rate-limit-kind',
    'sliding',
  );
  const file = await manifest(limit * seconds);
  const runs = [1, 2, 3].map(() =>
    cli(...runArgs(file, gateway.url, ...(known ? ['--rate', String(limit)] : []))),
  );
  const warm = known ? 5 : 30;
  await sleep(warm * 1000);
  const before = await gateway.stats();
  const from = performance.now();
  await sleep((seconds - warm) * 1000);
  const after = await gateway.stats();
  const measured = (performance.now() - from) / 1000;
  for (const { child } of runs) child.kill('SIGKILL');
  await Promise.all(runs.map(({ exit }) => exit));
  const calls = answered(after) - answered(before);
  const share = calls / (limit * measured);
  console.log({
    limit,
    processes: 3,
    calls,
    share_of_limit: round(share, 3),
    rate_limited: after.rate_limited - (known ? 0 : before.rate_limited),
    peak_per_second: after.peak_per_second,
  });
}

async function kill(lines: number, kills: number): Promise<void> {
  const gateway = await startSandbox({ port: 0, settle: { minMs: 500, maxMs: 3_000 } });
  const file = await manifest(lines);
  for (let n = 0; n < kills; n += 1) {
    const { child, exit } = cli(...runArgs(file, gateway.url));
    await sleep(1_500 + Math.random() * 6_000);
    child.kill('SIGKILL');
    await exit;
    console.log(`kill ${n + 1}: ${gateway.stats().tasks} tasks created so far`);
  }
  const { exit } = cli(...runArgs(file, gateway.url));
  const { status, stdout } = await exit;
  const summary = JSON.parse(stdout) as { lines: number; settled: number; failed: number };
  const tasks = gateway.stats().tasks;
  console.log({ status, ...pick(summary), tasks_created: tasks });
  const ok = status === 0 && summary.settled + summary.failed === lines && tasks === lines;
  console.log(ok ? 'results + failures = lines, tasks created = lines accepted' : 'NOT EQUAL');
  if (!ok) process.exitCode = 1;
  await gateway.close();
}

const answered = ({ calls }: SandboxStats) =>
  Object.values(calls)
    .flatMap((statuses) => Object.entries(statuses))
    .reduce((sum, [status, n]) => sum + (status === '429' ? 0 : n), 0);
const pick = ({ lines, settled, failed }: { lines: number; settled: number; failed: number }) => ({
  lines,
  settled,
  failed,
});

const [what = 'rate', a, b, c] = process.argv.slice(2);
try {
  if (what === 'rate') await rate(Number(a ?? 200), Number(b ?? 40), c !== 'unknown');
  else if (what === 'kill') await kill(Number(a ?? 20_000), Number(b ?? 5));
  else throw new Error(`${what}: rate or kill`);
} finally {
  await cleanUp();
}
