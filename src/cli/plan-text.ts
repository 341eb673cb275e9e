import pc from 'picocolors';
import { formatSize } from '../config/units.js';
import { number, span } from '../lib/format.js';
import type { Range } from '../lib/range.js';
import type { Plan } from '../plan/plan.js';
import { between, ranged } from './range-text.js';

/** A plan for people: what the manifest holds, what a run of it would take, and what else there is to know. */
export function formatPlan(plan: Plan, { color = false } = {}): string {
  const paint = pc.createColors(color && !process.env.NO_COLOR);
  const fact = (name: string, value: string) => `  ${name.padEnd(18)}${value}`;
  const about = plan.sample === null ? '' : 'about ';
  const rejected = Object.entries(plan.rejected);
  const rejectedLines = rejected.reduce((sum, [, n]) => sum + n, 0);
  const bounds = (range: Range | undefined) => (range === undefined ? '' : ` (${between(range, number)})`);
  return [
    paint.bold(`Plan of ${plan.manifest.uri}`),
    fact('run', plan.run_id ?? 'a fresh one'),
    fact('lines', `${about}${number(plan.lines)}${bounds(plan.sample?.lines)}`),
    fact('valid', `${about}${number(plan.valid)}${bounds(plan.sample?.valid)}`),
    fact(
      'rejected',
      rejectedLines > 0
        ? paint.red(`${about}${number(rejectedLines)}${bounds(plan.sample?.rejected)}`)
        : `0${bounds(plan.sample?.rejected)}`,
    ),
    ...rejected.flatMap(([code, n]) => [
      `    ${number(n)}  ${code}`,
      ...(plan.examples[code] ?? []).map((example) => `      ${placeOf(example)}: ${example.message}`),
    ]),
    fact('duplicates', duplicates(plan)),
    fact('already ended', number(plan.already_ended)),
    ...(plan.unchanged === null ? [] : [fact('unchanged', `${about}${number(plan.unchanged)}`)]),
    fact('bytes', `${about}${readable(plan.bytes)}, longest line ${readable(plan.longest_line_bytes)}`),
    ...(plan.sample === null
      ? []
      : [fact('read', `${readable(plan.sample.bytes)} in ${number(plan.sample.blocks)} places`)]),
    '',
    ...(plan.gold_lines === null ? [] : [fact('gold lines', number(plan.gold_lines))]),
    fact('tasks', `${about}${number(plan.tasks)}${bounds(plan.sample?.tasks)}`),
    ...(plan.second_tasks === null ? [] : [fact('second tasks', secondTasksText(plan.second_tasks))]),
    fact('price', price(plan)),
    fact('cost', plan.cost_sats === null ? 'unknown' : `${ranged(plan.cost_sats, number)} sats`),
    fact('rate', rate(plan)),
    fact(
      'polls per label',
      plan.polls_per_label === null ? 'unknown' : ranged(plan.polls_per_label, (n) => n.toFixed(2)),
    ),
    fact('calls', plan.calls === null ? 'unknown' : ranged(plan.calls, number)),
    fact('time', plan.seconds === null ? 'unknown' : ranged(plan.seconds, span)),
    fact('Redis at its peak', ranged(plan.redis_bytes, readable)),
    fact('parts', ranged(plan.parts, number)),
    fact('quota left', plan.quota_left === null ? 'unknown' : number(plan.quota_left)),
    ...plan.remarks.map((remark) => `  ${paint.cyan(`→ ${remark}`)}`),
  ].join('\n');
}

const placeOf = ({ line, offset, source }: Plan['examples'][string][number]) =>
  `${source === null ? '' : `${source}, `}${line === null ? `byte ${offset}` : `line ${line}`}`;

function duplicates({ duplicates: found, content_key_saves: saves }: Plan): string {
  if (found === null) return 'not counted in a sample';
  if (saves === null || saves.tasks === 0) return number(found);
  const sats = saves.sats === null ? '' : `, ${number(saves.sats)} sats`;
  return `${number(found)} (--key content would save ${number(saves.tasks)} tasks${sats})`;
}

const SOURCES: Readonly<Record<string, string>> = {
  history: 'from past runs',
  usage: 'from the bill',
  flag: 'as given',
  command: 'set by `rate`',
  header: 'as the Gateway says',
  search: 'found out while running',
};

export const sourced = (value: number, source: string | null, unit: string) =>
  `${number(value)} ${unit} (${SOURCES[source ?? ''] ?? source})`;
const SHARES = {
  runs: ' (from past runs)',
  confidences: ' (from the confidences of past runs)',
  highest: ': no task may ask more labelers',
};

export function secondTasksText({ share, source, tasks }: NonNullable<Plan['second_tasks']>): string {
  if (tasks === null || source === null) return 'unknown: second tasks are not counted';
  const of = share === null ? '' : `, ${ranged(share, percent)} of the lines`;
  return `${ranged(tasks, number)}${of}${SHARES[source]}`;
}

const percent = (share: number) => `${number(share * 100)}%`;
const price = ({ price_sats: { value, source } }: Plan) =>
  value === null ? 'unknown: run a pilot, or give --price' : sourced(value, source, 'sats per label');
const rate = ({ rate: { value, source } }: Plan) =>
  value === null ? 'unknown: run a pilot, or give --rate' : sourced(value, source, 'calls/s');

/** In the unit that leaves few digits. */
function readable(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  return power === 0 ? formatSize(bytes) : `${number(bytes / 1024 ** power)} ${units[power]}`;
}
