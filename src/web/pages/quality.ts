import { type Html, html, user } from './html.js';
import type { ShownRun } from './read-runs.js';
import { count, figure, percent } from './run-numbers.js';

/** The known quality of the labels. Null where nothing is known. */
export function qualityCard({ status: { gold, escalated } }: ShownRun): Html | null {
  if (gold == null && escalated == null) return null;
  return html`<section class="card" id="quality"><h2>Quality</h2>
${
  gold &&
  html`<dl>
${figure('Gold lines', count(gold.lines))}
${figure('Agreed', html`${count(gold.agreed)} <small>${gold.share === null ? '' : percent(gold.share)}</small>`, 'settled')}
${figure('Disagreed', count(gold.disagreed))}
${gold.failed > 0 && figure('Gold failed', count(gold.failed), 'failed')}
</dl>`
}
${
  escalated &&
  html`<dl>
${figure('Asked again', html`${count(escalated.lines)} <small>${user(escalated.condition)}</small>`)}
${figure('Label changed', count(escalated.changed))}
${escalated.failed > 0 && figure('No second answer', count(escalated.failed), 'failed')}
${escalated.not_asked > 0 && figure('Not asked', count(escalated.not_asked))}
${figure('Second tasks', html`${count(escalated.cost_sats)} <i>sats</i>`)}
</dl>`
}</section>`;
}
