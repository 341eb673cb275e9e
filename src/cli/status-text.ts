import type { RunStatus } from '../runs/status.js';
import { plain } from '../terminal.js';

const seconds = (n: number) =>
  n < 90 ? `${n} s` : n < 5_400 ? `${Math.round(n / 60)} min` : `${(n / 3600).toFixed(1)} h`;

/** A run's status for people, a line a fact. */
export function formatStatus(status: RunStatus, out: string): string {
  const failures = Object.entries(status.failures).map(([code, n]) => `${code} ${n}`);
  const facts: [string, string | number | null][] = [
    ['run', status.run_id],
    ['manifest', status.manifest.uri],
    ['state', status.reason ? `${status.state} (${status.reason})` : status.state],
    ['why', status.message],
    ['lines', `${status.lines}${status.produced ? '' : ' read so far'}`],
    ['queued', status.queued],
    ['in flight', status.in_flight],
    ['settled', status.settled],
    ['failed', failures.length > 0 ? `${status.failed} (${failures.join(', ')})` : status.failed],
    ['429s', status.rate_limited],
    ['polls per label', status.polls_per_label],
    ['rate', status.rate === null ? 'no limit in force' : `${status.rate.toFixed(1)} calls/s`],
    ['cost', `${status.cost_sats} sats`],
    ['time left', status.eta_seconds === null ? null : `about ${seconds(status.eta_seconds)}`],
    ['ended', status.ended_at],
    ['results', out],
  ];
  return facts
    .filter(([, value]) => value !== null)
    .map(([name, value]) => plain(`${name.padEnd(16)}${value}`))
    .join('\n');
}
