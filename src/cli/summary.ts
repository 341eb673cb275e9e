import pc from 'picocolors';
import { number, span } from '../lib/format.js';
import { plain } from '../lib/terminal.js';
import { boughtLines, type RunSummary } from '../runs/status.js';
import type { FailureExample } from '../runs/timeline.js';
import { overPlan } from './forecast-text.js';
import { nextStep } from './next-step.js';
import { escalatedText, goldText } from './quality-text.js';

const LABELS_SHOWN = 20;

export interface SummaryExtra {
  /** The place of the results. */
  out: string;
  elapsedMs: number;
  /** Default false; NO_COLOR outranks it. */
  color?: boolean;
  /** Failures by code: the first of each is shown. Default none. */
  examples?: Record<string, FailureExample[]>;
}

const sum = (counts: Record<string, number>) => Object.values(counts).reduce((total, n) => total + n, 0);

const mostFirst = (counts: Record<string, number>) =>
  Object.entries(counts).sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));

/** The end of a run for people: what became of its lines, what it took, where the files are, what to do next. */
export function formatSummary(
  summary: RunSummary,
  { out, elapsedMs, color = false, examples = {} }: SummaryExtra,
): string {
  const paint = pc.createColors(color && !process.env.NO_COLOR);
  const indent = (counts: [string, number][], more: (name: string) => string = () => '') => {
    const width = Math.max(0, ...counts.map(([, n]) => number(n).length));
    return counts.map(([name, n]) => `    ${number(n).padStart(width)}  ${plain(name + more(name))}`);
  };
  const fact = (name: string, value: string) => `  ${name.padEnd(16)}${value}`;
  const labels = mostFirst(summary.labels);
  const more = labels.length - LABELS_SHOWN;
  const state = summary.state === 'completed' && summary.failed === 0 ? paint.green : paint.yellow;
  return [
    `${paint.bold(`Run ${plain(summary.run_id)}`)} ${state(summary.state)}`,
    fact('manifest', plain(summary.manifest.uri)),
    fact('lines', number(summary.lines)),
    fact('settled', paint.green(number(summary.settled))),
    ...earlier(summary).map(([name, value]) => fact(name, value)),
    fact('failed', summary.failed > 0 ? paint.red(number(summary.failed)) : '0'),
    ...indent(mostFirst(summary.failures), (code) => firstOf(examples[code])),
    fact('labels', labels.length > 0 ? '' : 'none').trimEnd(),
    ...indent(labels.slice(0, LABELS_SHOWN)),
    ...(more > 0 ? [`    and ${number(more)} more`] : []),
    ...quality(summary).map(([name, value]) => fact(name, value)),
    ...effort(summary).map(([name, value]) => fact(name, value)),
    fact('elapsed', span(elapsedMs / 1000)),
    ...(summary.forecast ? overPlan(summary.forecast) : []).map((text) => fact('against plan', text)),
    fact('results', plain(out)),
    ...nextStep(summary).map((step) => `  ${paint.cyan(`→ ${step}`)}`),
  ].join('\n');
}

const SHOWN_CHARACTERS = 160;

/** The place and the reason of the first failed line of a code. */
function firstOf([first]: FailureExample[] = []): string {
  if (first === undefined) return '';
  const { line, source, message } = first;
  const cut = message.length > SHOWN_CHARACTERS ? `${message.slice(0, SHOWN_CHARACTERS)}…` : message;
  return `: ${source === null ? '' : `${source}, `}line ${line}: ${cut}`;
}

/** Lines that an earlier run has settled. */
function earlier({ since, carried, unchanged }: RunSummary): [string, string][] {
  if (!since) return [];
  return since.carry
    ? [['  carried', `${number(carried)}, rows copied (--since ${plain(since.run)})`]]
    : [['unchanged', `${number(unchanged)}, settled before (--since ${plain(since.run)}); no row here`]];
}

const stoodStill = (seconds: number) => (seconds > 0 ? `, all calls stood still for ${span(seconds)}` : '');

function quality({ gold, escalated }: RunSummary): [string, string][] {
  const facts: [string, string | null][] = [
    ['gold', goldText(gold)],
    ['escalated', escalatedText(escalated)],
  ];
  return facts.flatMap(([name, text]): [string, string][] => (text === null ? [] : [[name, text]]));
}

/** The effort of the run. */
function effort(summary: RunSummary): [string, string][] {
  const calls = Object.values(summary.gateway_calls).reduce((total, byStatus) => total + sum(byStatus), 0);
  const perLabel = (n: number) => n.toFixed(2);
  return [
    ['429s', number(summary.rate_limited) + stoodStill(summary.stood_still_seconds)],
    [
      'calls per label',
      boughtLines(summary) > 0
        ? `${perLabel(calls / boughtLines(summary))} (${number(calls)} calls)`
        : `- (${number(calls)} calls)`,
    ],
    ['polls per label', summary.polls_per_label === null ? '-' : perLabel(summary.polls_per_label)],
    ['cost', `${number(summary.cost_sats)} sats`],
    ...summary.changes.map(({ what, from, to }): [string, string] => [
      'tuned',
      `${what} ${from ?? 'none'} → ${to ?? 'none'}`,
    ]),
  ];
}
