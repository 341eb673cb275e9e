import type { RunStatus } from '../runs/status.js';
import { plain } from '../terminal.js';
import { forecastFacts } from './forecast-text.js';

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
    ...forecastFacts(status.forecast),
    ['ended', status.ended_at],
    ['results', out],
  ];
  return facts
    .filter(([, value]) => value !== null)
    .map(([name, value]) => plain(`${name.padEnd(16)}${value}`))
    .join('\n');
}
