/** How long the small things take: a run of one line, the first submission, `--version`. In ms. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { inLab, manifestOf } from '../lab/lab.js';
import { MAIN, runArgs, start, startOurs, succeeded } from '../lab/program.js';

export interface OneLine {
  /** From the start of the process to the Gateway's receipt of the first submission. */
  first_submission_ms: number;
  /** From the Gateway's answer that had the label to the end of the process. */
  label_to_end_ms: number;
  /** What the whole command took of a core: the machine's other work changes it little. */
  process_cpu_ms: number;
}

export async function oneLine(): Promise<OneLine> {
  const { file } = await manifestOf(1);
  return await inLab({ settleMs: 50 }, async (lab) => {
    // Redis answers already: what is measured is the command, not the server's start.
    await lab.redis.ping();
    const { startedAt, endedAt, cpuUs } = await succeeded(startOurs(lab, runArgs('run', file)));
    const { first_submission_at: first, last_label_at: label } = await lab.stats();
    if (first === null || label === null) throw new Error('the Gateway was not asked');
    return {
      first_submission_ms: first - startedAt,
      label_to_end_ms: endedAt - label,
      process_cpu_ms: (cpuUs ?? Number.NaN) / 1000,
    };
  });
}

/** `--version`, and Node's own start beside it, which no command can be faster than. */
export interface VersionTime {
  version_ms: number;
  node_ms: number;
  version_cpu_ms: number;
  node_cpu_ms: number;
}

export async function versionTime(): Promise<VersionTime> {
  const dir = await mkdtemp(path.join(tmpdir(), 'asg-bench-'));
  try {
    const version = await succeeded(start({ dir }, [MAIN, '--version']));
    const node = await succeeded(start({ dir }, ['-e', '0']));
    return {
      version_ms: version.seconds * 1000,
      node_ms: node.seconds * 1000,
      version_cpu_ms: (version.cpuUs ?? Number.NaN) / 1000,
      node_cpu_ms: (node.cpuUs ?? Number.NaN) / 1000,
    };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
