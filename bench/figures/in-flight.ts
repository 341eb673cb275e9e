/** What a task that was submitted and has no label yet takes in Redis, and how fast such tasks are bought. */
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../test/setup/ports.js';
import { inLab, manifestOf } from '../lab/lab.js';
import { memoryOf, type Program, runArgs, startOurs } from '../lab/program.js';
import { redisUse, usedMemory } from '../lab/redis-figures.js';

const CHECK_EVERY_MS = 200;
/** So long that no label comes and no poll is made while it is measured. */
const NEVER = { settleMs: 3_600_000, pollDelay: '30m', pollMaxDelay: '1h' };

export interface InFlight {
  lines: number;
  /** How many were in flight when it was measured: all, unless the time was over. Then the others' waiting lines count, too. */
  in_flight: number;
  bytes_per_task: number;
  /** The manifest's line, as JSON, newline included. */
  line_bytes: number;
  bytes_beside_line: number;
  /** Over the last tenth before the end, when nearly all were in flight. */
  submissions_per_s: number;
  redis_cpu_us_per_submission: number;
  process_rss_mib: number;
  redis_mib: number;
}

export async function inFlight(
  lines: number,
  options: { webhooks: boolean; limitMs: number },
): Promise<InFlight> {
  const { file, bytes } = await manifestOf(lines);
  return await inLab({ settleMs: NEVER.settleMs }, async (lab) => {
    const before = await usedMemory(lab.redis);
    const args = [...runArgs('run', file), '--max-in-flight', `${lines * 2}`];
    args[args.indexOf('--poll-delay') + 1] = NEVER.pollDelay;
    args.push('--poll-max-delay', NEVER.pollMaxDelay);
    if (options.webhooks) args.push(...(await webhookArgs()));
    const program = startOurs(lab, args, { ASG_WEBHOOK_SECRET: 'whsec_bench' });
    const sample = () => lab.stats().then(({ tasks }) => ({ tasks, at: performance.now() }));
    const { tasks, samples } = await watch(program, sample, lines, options.limitMs);
    // What is on its way is recorded a moment later.
    await sleep(1_500);
    const { cpuUs } = await redisUse(lab.redis);
    const { rss } = await memoryOf(program.pid);
    // A killed process leaves what is in flight as it is, and its connections' buffers count no more.
    await program.kill();
    await sleep(CHECK_EVERY_MS);
    const used = (await usedMemory(lab.redis)) - before;
    const last = samples.at(-1) ?? { tasks: 0, at: 0 };
    const early = samples.findLast((one) => one.tasks <= 0.9 * last.tasks) ?? last;
    return {
      lines,
      in_flight: tasks,
      bytes_per_task: used / tasks,
      line_bytes: bytes / lines,
      bytes_beside_line: used / tasks - bytes / lines,
      submissions_per_s: ((last.tasks - early.tasks) / (last.at - early.at)) * 1000,
      redis_cpu_us_per_submission: cpuUs / tasks,
      process_rss_mib: rss / 2 ** 20,
      redis_mib: used / 2 ** 20,
    };
  });
}

interface Sample {
  tasks: number;
  at: number;
}

/** Looks until all lines are submitted, or the time is over. */
async function watch(program: Program, sample: () => Promise<Sample>, lines: number, limitMs: number) {
  const samples: Sample[] = [];
  const began = performance.now();
  let over = false;
  void program.ended.then(() => {
    over = true;
  });
  for (;;) {
    const one = await sample();
    samples.push(one);
    if (over) throw new Error(`the run ended with ${one.tasks} of ${lines} tasks in flight`);
    if (one.tasks >= lines || one.at - began > limitMs) return { tasks: one.tasks, samples };
    await sleep(CHECK_EVERY_MS);
  }
}

async function webhookArgs(): Promise<string[]> {
  const port = `${await freePort()}`;
  return ['--webhook-url', `http://127.0.0.1:${port}/hook`, '--webhook-port', port];
}
