/** How speed grows with processes, where the Gateway's latency is what one process waits for. */
import { inLab, manifestOf } from '../lab/lab.js';
import { runArgs, startOurs, succeeded } from '../lab/program.js';

const LATENCY_MS = 200;

export interface ProcessesPoint {
  processes: number;
  lines_per_s: number;
  process_cpu_us_per_line: number;
  calls_per_line: number;
}

/** All of them are the same `run`: one produces, all consume. Until the last of them has ended. */
export async function withProcesses(processes: number, lines: number): Promise<ProcessesPoint> {
  const { file } = await manifestOf(lines);
  return await inLab({ settleMs: 50, latencyMs: LATENCY_MS }, async (lab) => {
    const programs = Array.from({ length: processes }, () => startOurs(lab, runArgs('run', file)));
    const ended = await Promise.all(programs.map(succeeded));
    const seconds = Math.max(...ended.map((one) => one.seconds));
    const { tasks, replays, pending, labels } = await lab.stats();
    if (tasks !== lines) throw new Error(`${tasks} tasks of ${lines} lines`);
    return {
      processes,
      lines_per_s: lines / seconds,
      process_cpu_us_per_line: ended.reduce((sum, { cpuUs }) => sum + (cpuUs ?? Number.NaN), 0) / lines,
      calls_per_line: (tasks + replays + pending + labels) / lines,
    };
  });
}
