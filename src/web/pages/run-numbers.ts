import { number, span } from '../../lib/format.js';
import { endedLines } from '../../runs/status.js';
import { type Html, html, user } from './html.js';
import type { ShownRun } from './read-runs.js';

/** The part of a run that both pages show. */

export const count = (value: number): Html => html`<data value="${value}">${number(value)}</data>`;

export function state({ status }: ShownRun): Html {
  const words = status.reason === null ? status.state : `${status.state}: ${status.reason}`;
  return html`<span class="state ${status.state}">${words}</span>`;
}

/** The reason of a block, and the next step. */
export const why = ({ status }: ShownRun): Html | null =>
  status.message === null ? null : html`<p class="why ${status.state}">${user(status.message)}</p>`;

export const percent = (share: number): string =>
  share > 0 && share < 0.001 ? '<0.1%' : `${Number((share * 100).toFixed(share < 0.1 ? 1 : 0))}%`;

/** The ended share of the lines read so far. Not 100% while a line is left. */
export function ended({ status }: ShownRun): string {
  if (status.lines === 0) return '0%';
  const share = endedLines(status) / status.lines;
  return share < 1 ? `${Math.floor(share * 100)}%` : '100%';
}

const SEGMENTS = ['settled', 'failed', 'unchanged', 'in-flight', 'queued'] as const;

export function progress(run: ShownRun): Html {
  const { status } = run;
  const { lines, settled, failed, unchanged } = status;
  const widths = [settled, failed, unchanged, status.in_flight, status.queued];
  const all = Math.max(1, lines, sum(widths));
  let x = 0;
  const bars = SEGMENTS.map((name, at) => {
    const width = ((widths[at] ?? 0) / all) * 100;
    const bar = html`<rect class="${name}" x="${x.toFixed(3)}%" width="${width.toFixed(3)}%" height="100%"></rect>`;
    x += width;
    return width > 0 && bar;
  });
  const total = status.produced || status.ended_at !== null ? 'lines' : 'lines read so far';
  return html`<svg class="bar" aria-hidden="true">${bars}</svg>
<progress value="${endedLines(status)}" max="${Math.max(1, lines)}" aria-label="ended lines of ${status.run_id}"></progress>
<p class="muted">${ended(run)} of ${number(lines)} ${total} have ended${status.ended_at === null && html` · ${processes(run)}`}</p>`;
}

export function figures(run: ShownRun): Html {
  const { status, present } = run;
  const live = status.ended_at === null;
  return html`<dl>
${figure('Settled', count(status.settled), 'settled')}
${figure('Failed', count(status.failed), 'failed')}
${status.unchanged > 0 && figure('Unchanged', count(status.unchanged), 'unchanged')}
${status.carried > 0 && figure('Carried', html`${count(status.carried)} <i>of the settled</i>`)}
${live && figure('In flight', count(status.in_flight), 'in-flight')}
${live && figure('Queued', count(status.queued), 'queued')}
${live && figure('Calls/s', html`${number(present.callsPerSecond)} <small>${allowed(run.allowed)}</small>`)}
${figure('429s', html`${count(status.rate_limited)} <small>${stoodStill(status.stood_still_seconds)}</small>`)}
${live && figure('Time left', status.eta_seconds === null ? '–' : span(status.eta_seconds))}
${!live && figure('Took', took(run))}
${figure('Cost', html`${count(status.cost_sats)} <i>sats</i>`)}
</dl>`;
}

const stoodStill = (seconds: number): string =>
  seconds < 0.5 ? 'the fleet never stood still' : `the fleet stood still for ${span(seconds)}`;

const processes = ({ present: { consumers } }: ShownRun) =>
  consumers === 0 ? 'no process works on it' : `${consumers} ${consumers === 1 ? 'process' : 'processes'}`;

const allowed = (rate: number | null) => (rate === null ? 'no limit' : `of ${number(rate)} allowed`);

const took = ({ status }: ShownRun) =>
  status.ended_at === null ? '–' : span((Date.parse(status.ended_at) - Date.parse(status.started_at)) / 1000);

export const figure = (name: string, value: Html | string, swatch?: string): Html =>
  html`<div><dt${swatch ? html` class="${swatch}"` : ''}>${name}</dt><dd>${value}</dd></div>`;

export const time = (iso: string): Html =>
  html`<time datetime="${iso}">${iso.slice(0, 19).replace('T', ' ')} UTC</time>`;

/** Counts by name, the greatest first, as a table; what is past `most` in one row. */
export function counts(
  [caption, name]: [caption: string, name: string],
  of: Record<string, number>,
  { swatch, most }: { swatch: 'settled' | 'failed'; most: number },
): Html | null {
  const entries = Object.entries(of).sort(([, a], [, b]) => b - a);
  if (entries.length === 0) return null;
  const all = sum(entries.map(([, n]) => n));
  const rest = sum(entries.slice(most).map(([, n]) => n));
  const row = (label: Html | string, n: number) => html`<tr><th scope="row">${label}
<svg class="share" aria-hidden="true"><rect class="${swatch}" width="${((n / all) * 100).toFixed(2)}%" height="100%"></rect></svg></th>
<td class="n">${count(n)}</td><td class="n">${percent(n / all)}</td></tr>`;
  return html`<table>${caption && html`<caption>${caption}</caption>`}
<thead><tr><th scope="col">${name}</th><th scope="col" class="n">lines</th><th scope="col" class="n">share</th></tr></thead>
<tbody>${entries.slice(0, most).map(([label, n]) => row(user(label, 80), n))}
${rest > 0 && row(`${number(entries.length - most)} more`, rest)}</tbody></table>`;
}

export const sum = (values: readonly number[]): number => values.reduce((total, n) => total + n, 0);
