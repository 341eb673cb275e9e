import { plain } from '../lib/terminal.js';
import type { RunStatus } from '../runs/status.js';

/** Shorter waits are not reported. */
const LONG_MS = 5_000;

type Wait = Pick<RunStatus, 'waiting_for' | 'message'>;

/**
 * Even with `--quiet`, a run reports a wait for Redis, the Gateway or its source, once for each wait. Without this a
 * user would face an empty screen the whole time.
 */
export function quietWaits(stderr: NodeJS.WritableStream, now: () => number): (status: Wait) => void {
  let wait: { what: string; since: number; reported: boolean } | null = null;
  return ({ waiting_for: what, message }) => {
    if (what !== 'redis' && what !== 'gateway' && what !== 'source') {
      if (wait?.reported) stderr.write(`asg-ingest: no longer waiting for ${wait.what}\n`);
      wait = null;
      return;
    }
    if (wait?.what !== what) wait = { what, since: now(), reported: false };
    if (wait.reported || now() - wait.since < LONG_MS) return;
    wait.reported = true;
    stderr.write(`asg-ingest: waiting for ${what}${message === null ? '' : `: ${plain(message)}`}\n`);
  };
}
