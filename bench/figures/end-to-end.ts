/** Manifest in, rows out, without a limit at the Gateway: the floors and ours, start-up included. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { inLab, type Lab, manifestOf } from '../lab/lab.js';
import { type Program, runArgs, startFloor, startOurs, succeeded } from '../lab/program.js';
import { redisUse } from '../lab/redis-figures.js';

/** The same for all: a task has its label after this (ms). */
const SETTLE_MS = 50;

export interface EndToEnd {
  lines_per_s: number;
  process_cpu_us_per_line: number;
  redis_cpu_us_per_line: number;
  redis_script_us_per_line: number;
  redis_commands_per_line: number;
  peak_rss_mib: number;
  /** Submissions and polls. */
  calls_per_line: number;
  /** What the bench's own Gateway took of the same machine. */
  gateway_cpu_us_per_line: number;
}

type Starts = (lab: Lab, manifest: string, lines: number) => Program;

const STARTS = {
  bullmq: (lab, manifest, lines) =>
    startFloor(lab, 'bullmq', manifest, ROWS, lab.gatewayUrl, lab.redisPort, lines),
  undici_loop: (lab, manifest) => startFloor(lab, 'undici-loop', manifest, ROWS, lab.gatewayUrl),
  fetch_loop: (lab, manifest) => startFloor(lab, 'fetch-loop', manifest, ROWS, lab.gatewayUrl),
  ours: (lab, manifest) => startOurs(lab, runArgs('run', manifest)),
} satisfies Record<string, Starts>;

export type Contender = keyof typeof STARTS;
const ROWS = 'rows.jsonl';

export async function endToEnd(contender: Contender, lines: number): Promise<EndToEnd> {
  const { file } = await manifestOf(lines);
  return await inLab({ settleMs: SETTLE_MS }, async (lab) => {
    const ended = await succeeded(STARTS[contender](lab, file, lines));
    const use = await redisUse(lab.redis);
    const { tasks, replays, pending, labels, cpu_us } = await lab.stats();
    const rows = contender === 'ours' ? settledOf(ended.stdout) : await countRows(path.join(lab.dir, ROWS));
    if (rows !== lines || tasks !== lines || labels < lines)
      throw new Error(`${contender}: ${rows} rows and ${tasks} tasks of ${lines} lines`);
    return {
      lines_per_s: lines / ended.seconds,
      process_cpu_us_per_line: (ended.cpuUs ?? Number.NaN) / lines,
      redis_cpu_us_per_line: use.cpuUs / lines,
      redis_script_us_per_line: use.scriptUs / lines,
      redis_commands_per_line: use.commands / lines,
      peak_rss_mib: (ended.peakRssBytes ?? Number.NaN) / 2 ** 20,
      calls_per_line: (tasks + replays + pending + labels) / lines,
      gateway_cpu_us_per_line: cpu_us / lines,
    };
  });
}

const settledOf = (summary: string) => (JSON.parse(summary) as { settled: number }).settled;

async function countRows(file: string): Promise<number> {
  const text = await readFile(file, 'latin1');
  return text.split('\n').length - 1;
}
