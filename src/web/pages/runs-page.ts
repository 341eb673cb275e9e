import { number } from '../../lib/format.js';
import type { Page } from './document.js';
import { lateness } from './forecast.js';
import { type Html, html, user } from './html.js';
import type { ShownRun, ShownRuns } from './read-runs.js';
import { counts, figures, progress, state, time, why } from './run-numbers.js';

const LABELS = 8;
const CODES = 8;

/** `/`: the newest runs and their states. */
export function runsPage({ runs, total }: ShownRuns, now: string): Page {
  const running = runs.filter(({ status }) => status.state === 'running').length;
  return {
    title: running > 0 ? `${number(running)} running · asg-ingest` : 'asg-ingest',
    header: html`<h1 id="title">asg-ingest</h1>
<p id="as-of" class="muted">${number(total)} ${total === 1 ? 'run' : 'runs'}, as of ${time(now)}</p>
<nav id="nav"><a id="to-queues" href="queues">Queues</a></nav>`,
    main:
      runs.length === 0
        ? html`<p id="none" class="card">No run is on record here. <code>asg-ingest run</code> or <code>produce</code> starts one.</p>`
        : html`${runs.map(runCard)}
${runs.length < total && html`<p id="more" class="muted">Older runs: <code>asg-ingest runs</code> lists all.</p>`}`,
    over: false,
  };
}

function runCard(run: ShownRun): Html {
  const { status } = run;
  const id = encodeURIComponent(status.run_id);
  return html`<article class="card" id="run-${id}" aria-labelledby="name-${id}">
<div class="run-head"><h2 id="name-${id}"><a id="to-${id}" href="runs/${id}">${status.run_id}</a></h2>
${state(run)} <span class="muted">since ${time(status.started_at)}</span></div>
<p class="muted">${user(status.manifest.uri)}</p>
${why(run)}${lateness(run)}${progress(run)}${figures(run)}
<div class="side">${counts(['Labels', 'label'], status.labels, { swatch: 'settled', most: LABELS })}
${counts(['Failures', 'code'], status.failures, { swatch: 'failed', most: CODES })}</div>
</article>`;
}
