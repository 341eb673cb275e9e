/**
 * Memory over a long run, and what a resumption costs, from the built package: a manifest made on the fly goes through
 * `produce` and `work` at their default windows while their resident memory and Redis' are sampled; the longest one is
 * killed at a share of its lines and goes on with `run`.
 *   npm run bench:memory -- [lines …]      (200000 2000000)
 */
import { stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { cleanUp, cli, manifest, memoryMib, redisSocket, remoteGateway, round, TASK } from './harness.js';

const SAMPLE_MS = 1_000;
const PORT = 19_464;
const KILL_AT = 0.9;
/** The share of a run that counts as warm-up. */
const WARM_UP = 0.2;
const SHARES = [0.2, 0.4, 0.6, 0.8, 0.9];

interface Sample {
  share: number;
  producerMib: number;
  workerMib: number;
  redisMib: number;
}

type Memory = Exclude<keyof Sample, 'share'>;
const MEMORIES: Memory[] = ['producerMib', 'workerMib', 'redisMib'];

async function endedLines(redis: Redis, run: string): Promise<number> {
  const counts = await redis.hgetall(`{asg:${run}}:counts`).catch(() => ({}) as Record<string, string>);
  return Number(counts.settled ?? 0) + Number(counts.failed ?? 0);
}

/** Runs to `until` of the lines and kills both processes with 9; Redis and the run stay. */
async function sampled(
  run: string,
  file: string,
  lines: number,
  url: string,
  until: number,
): Promise<Sample[]> {
  const common = ['--gateway-url', url];
  const worker = cli('work', ...common, '--metrics-port', '0', '--log-level', 'warn');
  const producer = cli('produce', file, ...common, '--run-id', run, '--out', `out-${run}`, ...TASK);
  const redis = new Redis({ path: redisSocket, retryStrategy: () => 200, maxRetriesPerRequest: null });
  redis.on('error', () => undefined);
  const samples: Sample[] = [];
  for (;;) {
    await sleep(SAMPLE_MS);
    const share = (await endedLines(redis, run)) / lines;
    const usedBytes = /used_memory:(\d+)/.exec(await redis.info('memory'))?.[1];
    samples.push({
      share,
      producerMib: await memoryMib(producer.child.pid, 'VmRSS'),
      workerMib: await memoryMib(worker.child.pid, 'VmRSS'),
      redisMib: Number(usedBytes ?? 0) / 2 ** 20,
    });
    if (share >= until) break;
  }
  redis.disconnect();
  for (const { child } of [worker, producer]) child.kill('SIGKILL');
  await Promise.all([worker.exit, producer.exit]);
  return samples;
}

/** Of what was there to measure: a process that has ended counts no more. */
function median(samples: Sample[], memory: Memory): number {
  const sorted = samples.map((sample) => sample[memory]).filter((mib) => mib > 0);
  sorted.sort((a, b) => a - b);
  return round(sorted[Math.floor(sorted.length / 2)] ?? 0);
}

const medians = (samples: Sample[]) =>
  Object.fromEntries(MEMORIES.map((memory) => [memory, median(samples, memory)])) as Record<Memory, number>;

function table(samples: Sample[]) {
  const row = (to: number, index: number) => {
    const from = SHARES[index - 1] ?? 0;
    const within = samples.filter(({ share }) => share >= from && share < to);
    return { share: `${from}–${to}`, ...medians(within), samples: within.length };
  };
  console.table(SHARES.map(row));
}

/** A counter of the process behind a metrics port, over all labels; 0 while it does not answer. */
async function counter(port: number, name: string): Promise<number> {
  const text = await fetch(`http://127.0.0.1:${port}/metrics`).then(
    (answer) => answer.text(),
    () => '',
  );
  const values = [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'))];
  return values.reduce((sum, [, value]) => sum + Number(value), 0);
}

/** From the command's start to its first submission, what it read of the manifest, and how the run ended. */
async function resume(run: string, file: string, url: string) {
  const began = performance.now();
  const options = ['--gateway-url', url, '--run-id', run, '--out', `out-${run}`];
  const { child, exit } = cli(
    'run',
    file,
    ...options,
    '--metrics-port',
    `${PORT}`,
    '--json',
    '--quiet',
    ...TASK,
  );
  let firstSubmissionMs: number | null = null;
  let bytesRead = 0;
  while (child.exitCode === null) {
    await sleep(firstSubmissionMs === null ? 20 : SAMPLE_MS);
    const submitted = await counter(PORT, 'asg_ingest_tasks_submitted_total');
    if (submitted > 0) firstSubmissionMs ??= Math.round(performance.now() - began);
    bytesRead = Math.max(bytesRead, await counter(PORT, 'asg_ingest_manifest_bytes_total'));
  }
  const { status, stdout } = await exit;
  const { settled, failed } = JSON.parse(stdout) as { settled: number; failed: number };
  const { size } = await stat(file);
  return {
    first_submission_ms: firstSubmissionMs,
    manifest_share_read: round(bytesRead / size, 3),
    status,
    settled,
    failed,
  };
}

const sizes = process.argv.slice(2).map(Number);
if (sizes.length === 0) sizes.push(200_000, 2_000_000);
try {
  const warm: Record<Memory, number>[] = [];
  for (const lines of sizes) {
    const gateway = await remoteGateway('--settle', '0s..1s');
    const file = await manifest(lines);
    const run = `r${lines}`;
    const began = performance.now();
    const samples = await sampled(run, file, lines, gateway.url, KILL_AT);
    const seconds = (performance.now() - began) / 1000;
    table(samples);
    warm.push(medians(samples.filter(({ share }) => share >= WARM_UP)));
    console.log({ lines, lines_per_second: round((lines * KILL_AT) / seconds) });
    console.log(await resume(run, file, gateway.url));
    const { tasks, duplicate_charges } = await gateway.stats();
    console.log({ tasks_bought: tasks, duplicate_charges });
  }
  console.log('after warm-up, MiB, by lines:');
  console.table(Object.fromEntries(sizes.map((lines, index) => [lines, warm[index]])));
} finally {
  await cleanUp();
}
