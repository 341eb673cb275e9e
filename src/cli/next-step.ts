import { number } from '../lib/format.js';
import { LINE_PROBLEMS } from '../manifest/types.js';
import type { RunSummary } from '../runs/status.js';

/** Codes of lines that would fail again as they are: the manifest or the Gateway says that their text is wrong. */
const REFUSED_AS_THEY_ARE: readonly string[] = [...LINE_PROBLEMS, 'rejected'];

const FIX_INPUTS = 'failures-*.jsonl says why each failed; correct its inputs and run it as a manifest';

/** The user's next step after a run's summary. Lines that would be refused again are not to be retried. */
export function nextStep({ run_id, state, failed, failures }: RunSummary): string[] {
  if (state === 'running' || state === 'blocked') return ['the same command again goes on where it stopped'];
  if (state === 'paused') return [`asg-ingest resume ${run_id}  goes on`];
  if (failed === 0) return [];
  const refused = Object.entries(failures).reduce(
    (sum, [code, n]) => sum + (REFUSED_AS_THEY_ARE.includes(code) ? n : 0),
    0,
  );
  if (refused === failed) return [FIX_INPUTS];
  const retry = `asg-ingest retry ${run_id}  submits what failed once more; failures-*.jsonl says why each did`;
  if (refused === 0) return [retry];
  const those = refused === 1 ? '1 line is' : `${number(refused)} lines are`;
  return [retry, `${those} refused again as they stand: correct their inputs and run those as a manifest`];
}
