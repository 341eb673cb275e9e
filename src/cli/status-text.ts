import { plain } from '../lib/terminal.js';
import type { RunStatus } from '../runs/status.js';
import { forecastFacts } from './forecast-text.js';
import { escalatedText, goldText } from './quality-text.js';

const standing = ({ state, reason, waiting_for }: RunStatus) =>
  reason !== null
    ? `${state} (${reason})`
    : waiting_for === null
      ? state
      : `${state}, waiting for ${waiting_for}`;

function envelopeFacts({ envelope }: RunStatus): [string, string][] {
  if (envelope === null) return [];
  const { spend, spend_per_day, spent, spent_today, reserved, label_sats } = envelope;
  const held = reserved > 0 ? `, up to ${reserved} more for tasks that are out` : '';
  const label = label_sats === null ? '' : `; a label costs up to ${label_sats}`;
  const facts: [string, number | null, number][] = [
    ['spend', spend, spent],
    ['spend per day', spend_per_day, spent_today],
  ];
  return facts.flatMap(([name, limit, now]): [string, string][] =>
    limit === null ? [] : [[name, `${now} of ${limit} sats${held}${label}`]],
  );
}

const since = ({ since: of, carried, unchanged }: RunStatus): string | null => {
  if (!of) return null;
  return `run ${of.run}: ${of.carry ? `${carried} rows copied` : `${unchanged} lines unchanged, without a row here`}`;
};

/** A run's status for people, a line a fact. */
export function formatStatus(status: RunStatus, out: string): string {
  const failures = Object.entries(status.failures).map(([code, n]) => `${code} ${n}`);
  const facts: [string, string | number | null][] = [
    ['run', status.run_id],
    ['manifest', status.manifest.uri],
    ['state', standing(status)],
    ['why', status.message],
    ['lines', `${status.lines}${status.produced ? '' : ' read so far'}`],
    ['queued', status.queued],
    ['in flight', status.in_flight],
    ['settled', status.settled],
    ['since', since(status)],
    ['failed', failures.length > 0 ? `${status.failed} (${failures.join(', ')})` : status.failed],
    ['gold', goldText(status.gold)],
    ['escalated', escalatedText(status.escalated)],
    ['429s', status.rate_limited],
    ['polls per label', status.polls_per_label],
    ['rate', status.rate === null ? 'no limit in force' : `${status.rate.toFixed(1)} calls/s`],
    ['cost', `${status.cost_sats} sats`],
    ...forecastFacts(status.forecast),
    ...envelopeFacts(status),
    ['ended', status.ended_at],
    ['results', out],
    ...status.changes.map(({ what, from, to, at }): [string, string] => [
      'changed',
      `${what} ${from ?? 'none'} → ${to ?? 'none'} at ${at}`,
    ]),
  ];
  return facts
    .filter(([, value]) => value !== null)
    .map(([name, value]) => plain(`${name.padEnd(16)}${value}`))
    .join('\n');
}
