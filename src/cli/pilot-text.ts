import pc from 'picocolors';
import { number, span } from '../lib/format.js';
import { plain } from '../lib/terminal.js';
import type { PilotReport } from '../plan/pilot/report.js';
import type { Spread } from '../plan/pilot/statistics.js';
import { secondTasksText, sourced } from './plan-text.js';
import { ranged } from './range-text.js';

const percent = (share: number) => `${number(share * 100)}%`;
const spread = ({ median, p10, p90, greatest }: Spread, show: (n: number) => string) =>
  `${show(median)} median, ${show(p10)} to ${show(p90)} for 8 in 10, ${show(greatest)} at most`;

/** The report of a pilot, for people: below its summary. */
export function formatPilot(pilot: PilotReport, { color = false } = {}): string {
  const paint = pc.createColors(color && !process.env.NO_COLOR);
  const fact = (name: string, value: string) => `  ${name.padEnd(16)}${value}`;
  const unknown = <T>(value: T | null, show: (value: T) => string) =>
    value === null ? 'unknown' : show(value);
  const { rest } = pilot;
  const { value: rate, source } = rest.rate;
  return [
    paint.bold(`Pilot: ${number(pilot.lines)} of ${number(pilot.manifest_lines)} lines`),
    fact(
      'agreement',
      unknown(
        pilot.agreement,
        (share) =>
          `${percent(share)} of the workers, all of them on ${percent(pilot.unanimous ?? 0)} of the lines`,
      ),
    ),
    fact(
      'confidence',
      unknown(
        pilot.confidence,
        (each) => `${each.mean.toFixed(3)} mean, ${each.p10.toFixed(3)} or less on a tenth`,
      ),
    ),
    fact(
      'cost per label',
      unknown(pilot.cost_per_label_sats, (range) => `${ranged(range, number)} sats`),
    ),
    fact(
      'settle time',
      unknown(pilot.settle_seconds, (each) => spread(each, span)),
    ),
    paint.bold(`The rest: ${number(rest.lines)} lines`),
    fact('tasks', ranged(rest.tasks, number)),
    ...(rest.second_tasks === null ? [] : [fact('second tasks', secondTasksText(rest.second_tasks))]),
    fact(
      'cost',
      unknown(rest.cost_sats, (range) => `${ranged(range, number)} sats`),
    ),
    fact('rate', rate === null ? 'unknown' : sourced(rate, source, 'calls/s')),
    fact(
      'polls per label',
      unknown(rest.polls_per_label, (range) => ranged(range, (n) => n.toFixed(2))),
    ),
    fact(
      'calls',
      unknown(rest.calls, (range) => ranged(range, number)),
    ),
    fact(
      'time',
      unknown(rest.seconds, (range) => ranged(range, span)),
    ),
    ...pilot.remarks.map((remark) => `  ${paint.cyan(`→ ${plain(remark)}`)}`),
    `  ${paint.cyan(`→ the same command without --pilot goes on as run ${plain(pilot.of)}; the pilot's lines are not bought again`)}`,
  ].join('\n');
}
