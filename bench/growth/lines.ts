/** How cost grows with the manifest: ours at its defaults, each size bounded in time. */
import { setTimeout as sleep } from 'node:timers/promises';
import { inLab, manifestOf } from '../lab/lab.js';
import { memoryOf, runArgs, startOurs } from '../lab/program.js';
import { peakMemory } from '../lab/redis-figures.js';
import { median } from '../lab/stats.js';

const CHECK_EVERY_MS = 1_000;

export interface LinesPoint {
  lines: number;
  /** Fewer than `lines` when the time was over: the run was ended then, and the figures are of what it had done. */
  ended: number;
  seconds: number;
  lines_per_s: number;
  process_peak_mib: number;
  /** Median of what was resident in the second half, less that of the first after a tenth: how much it grew. */
  process_growth_mib: number;
  redis_peak_mib: number;
}

export async function atLines(lines: number, limitMs: number): Promise<LinesPoint> {
  const { file } = await manifestOf(lines);
  return await inLab({ settleMs: 50 }, async (lab) => {
    const program = startOurs(lab, runArgs('run', file));
    let over = false;
    const ends = program.ended.finally(() => {
      over = true;
    });
    const began = performance.now();
    const resident: number[] = [];
    let peak = 0;
    let labels = 0;
    while (!over && performance.now() - began < limitMs) {
      await Promise.race([sleep(CHECK_EVERY_MS), ends]);
      const memory = await memoryOf(program.pid);
      if (memory.rss > 0) resident.push(memory.rss);
      peak = Math.max(peak, memory.peak);
      ({ labels } = await lab.stats());
    }
    const seconds = (performance.now() - began) / 1000;
    const whole = over;
    await program.kill();
    const { status, stderr, peakRssBytes } = await ends;
    if (whole && (status !== 0 || labels < lines))
      throw new Error(`${labels} of ${lines} lines, status ${status}\n${stderr.slice(-2_000)}`);
    const ended = Math.min(labels, lines);
    return {
      lines,
      ended,
      seconds,
      lines_per_s: ended / seconds,
      process_peak_mib: (peakRssBytes ?? peak) / 2 ** 20,
      process_growth_mib: growthOf(resident) / 2 ** 20,
      redis_peak_mib: (await peakMemory(lab.redis)) / 2 ** 20,
    };
  });
}

function growthOf(samples: number[]): number {
  const middle = Math.floor(samples.length / 2);
  const [early, late] = [samples.slice(Math.floor(samples.length / 10), middle), samples.slice(middle)];
  return early.length === 0 ? 0 : median(late) - median(early);
}
