import { number, signed, span } from '../../lib/format.js';
import type { Range } from '../../lib/range.js';
import type { Expected, RunForecast } from '../../runs/forecast.js';
import { type Html, html, user } from './html.js';
import type { ShownRun } from './read-runs.js';
import { time } from './run-numbers.js';

/** A run's planned figures, and the expected or real ones. Null where there is nothing to show. */
export function forecastCard({ status: { forecast } }: ShownRun): Html | null {
  if (forecast === null) return null;
  const { planned, expected, actual, off } = forecast;
  const rows = (['cost_sats', 'calls', 'seconds'] as const).map((field) => {
    const show = field === 'seconds' ? span : number;
    const now = expected === null ? actual && show(actual[field]) : bounds(expected[field], show);
    const share = off?.[field] ?? null;
    return html`<tr><th scope="row">${NAMES[field]}</th>${planned !== null && html`<td class="n">${bounds(planned[field], show) ?? '–'}</td>`}
<td class="n">${now ?? 'unknown yet'}${share !== null && html` <small>${signed(share)}</small>`}</td></tr>`;
  });
  return html`<section class="card"><h2>Forecast</h2><table><thead><tr><th scope="col"></th>${planned !== null && html`<th scope="col" class="n">planned</th>`}<th scope="col" class="n">${expected === null ? 'was' : 'expected'}</th></tr></thead><tbody>${rows}</tbody></table>
${expected !== null && ends(expected, forecast.unknown)}
${planned !== null && html`<p class="muted">Planned by ${WHO[planned.by]}, ${time(planned.at)}.</p>`}</section>`;
}

/** A `--finish-by` that will not be kept. */
export const lateness = ({ status: { forecast } }: ShownRun): Html | null =>
  forecast?.finish_by?.message ? html`<p class="why blocked">${user(forecast.finish_by.message)}</p>` : null;

const NAMES = { cost_sats: 'Cost (sats)', calls: 'Calls', seconds: 'Time' };
const WHO: Record<NonNullable<RunForecast['planned']>['by'], string> = {
  plan: 'asg-ingest plan',
  pilot: 'a pilot',
  run: 'the run itself, once it had seen enough',
};

const ends = ({ ends_at: end }: Expected, unknown: string | null): Html =>
  end === null
    ? html`<p>Ends: unknown yet${unknown !== null && `, ${unknown}`}.</p>`
    : html`<p>Ends: ${time(end)}.</p>`;

const bounds = (range: Range | null, show: (n: number) => string): Html | null =>
  range &&
  html`${show(range.expected)}${range.low < range.high && html` <small>${show(range.low)} to ${show(range.high)}</small>`}`;
