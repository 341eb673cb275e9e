/** How long the small things take: a run of one line, the first submission, `--version`. In ms. */
import { spawnSync } from 'node:child_process';
import { inLab, manifestOf } from '../lab/lab.js';
import { MAIN, runArgs, startOurs, succeeded } from '../lab/program.js';

export interface OneLine {
  /** From the start of the process to the Gateway's receipt of the first submission. */
  first_submission_ms: number;
  /** From the Gateway's answer that had the label to the end of the process. */
  label_to_end_ms: number;
}

export async function oneLine(): Promise<OneLine> {
  const { file } = await manifestOf(1);
  return await inLab({ settleMs: 50 }, async (lab) => {
    // Redis answers already: what is measured is the command, not the server's start.
    await lab.redis.ping();
    const { startedAt, endedAt } = await succeeded(startOurs(lab, runArgs('run', file)));
    const { first_submission_at: first, last_label_at: label } = await lab.stats();
    if (first === null || label === null) throw new Error('the Gateway was not asked');
    return { first_submission_ms: first - startedAt, label_to_end_ms: endedAt - label };
  });
}

/** `--version`, and Node's own start beside it, which no command can be faster than. */
export interface VersionTime {
  version_ms: number;
  node_ms: number;
}

export function versionTime(): VersionTime {
  const time = (args: string[]) => {
    const began = performance.now();
    const { status } = spawnSync(process.execPath, args, { stdio: 'ignore' });
    if (status !== 0) throw new Error(`${args.join(' ')}: status ${status}`);
    return performance.now() - began;
  };
  return { version_ms: time([MAIN, '--version']), node_ms: time(['-e', '0']) };
}
