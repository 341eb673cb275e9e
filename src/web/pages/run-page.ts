import { number } from '../../lib/format.js';
import { boughtLines } from '../../runs/status.js';
import type { FailureExample } from '../../runs/timeline.js';
import type { Page } from './document.js';
import { forecastCard, lateness } from './forecast.js';
import { type Html, html, user } from './html.js';
import { qualityCard } from './quality.js';
import type { ShownHistory } from './read-runs.js';
import { confidences, overTime, settleTimes } from './run-charts.js';
import {
  count,
  counts,
  ended,
  figure,
  figures,
  percent,
  progress,
  state,
  sum,
  time,
  why,
} from './run-numbers.js';

const LABELS = 50;
const CODES = 20;

/** `/runs/<id>`: one run in full. `alone`: as a file, with no page beside it. */
export function runPage(run: ShownHistory, now: string, { alone = false } = {}): Page {
  const { status, history } = run;
  const until = status.ended_at ?? now;
  const seconds = Math.max(0, (Date.parse(until) - Date.parse(status.started_at)) / 1000);
  const labels = counts(['', 'label'], status.labels, { swatch: 'settled', most: LABELS });
  return {
    title: `${ended(run)} · ${status.run_id} · asg-ingest`,
    header: html`<h1 id="title">${status.run_id}</h1>
<p id="state">${state(run)}</p>
<p id="as-of" class="muted">as of ${time(now)}</p>
${!alone && html`<nav id="nav"><a id="to-runs" href="../">All runs</a> <a id="to-queues" href="../queues">Queues</a></nav>`}`,
    main: html`<section class="card" id="progress">${why(run)}${lateness(run)}${progress(run)}${figures(run)}</section>
${overTime(history, seconds)}
<div class="halves" id="shapes">${settleTimes(history, backlog(run))}${confidences(history)}</div>
<div class="halves" id="tables">
<section class="card"><h2>Labels</h2>${labels ?? html`<p class="muted">None yet.</p>`}</section>
<section class="card"><h2>Failures</h2>${failures(run)}</section>
${qualityCard(run)}
${forecastCard(run)}
<section class="card"><h2>Cost and calls</h2>${cost(run)}</section>
<section class="card"><h2>The run</h2>${facts(run)}</section>
</div>`,
    over: run.summedUp,
  };
}

/** More lines wait than are in flight: each poll takes a call from a submission. */
const backlog = ({ status }: ShownHistory) =>
  status.state === 'running' && status.queued > 0 && status.queued > status.in_flight;

export const noRunPage = (id: string): Page => ({
  title: 'No such run · asg-ingest',
  header: html`<h1 id="title">No such run</h1><nav id="nav"><a id="to-runs" href="../">All runs</a></nav>`,
  main: html`<p class="card" id="none">No run ${user(id, 64)} is on record here: its name is another, or <code>asg-ingest runs --prune</code> has forgotten it.</p>`,
  over: true,
});

function failures({ status, examples }: ShownHistory): Html {
  const codes = Object.entries(status.failures).sort(([, a], [, b]) => b - a);
  if (codes.length === 0) return html`<p class="muted">None.</p>`;
  const all = sum(codes.map(([, n]) => n));
  const shown = codes.slice(0, CODES);
  return html`<table><thead><tr><th scope="col">code</th><th scope="col" class="n">lines</th><th scope="col" class="n">share</th></tr></thead>
<tbody>${shown.map(
    ([code, n]) =>
      html`<tr><th scope="row"><b>${user(code, 80)}</b>${(examples[code] ?? []).map(example)}</th>
<td class="n">${count(n)}</td><td class="n">${percent(n / all)}</td></tr>`,
  )}</tbody></table>
${codes.length > shown.length && html`<p class="muted">and ${number(codes.length - shown.length)} codes more</p>`}`;
}

const example = ({ line, source, stage, message }: FailureExample): Html =>
  html`<p class="example"><span class="muted">line ${line}${source !== null && html` of ${user(source, 120)}`}, ${stage}:</span> ${user(message)}</p>`;

function cost({ status, record }: ShownHistory): Html {
  const { cost_sats: sats, gateway_calls: calls } = status;
  const settled = boughtLines(status);
  const rows = Object.entries(calls).flatMap(([operation, statuses]) =>
    Object.entries(statuses).map(([answer, n]) => ({ operation, answer, n })),
  );
  const all = sum(rows.map(({ n }) => n));
  const perLabel = (n: number) => (settled > 0 ? (n / settled).toFixed(2) : '–');
  return html`<dl>
${figure('Cost', html`${count(sats)} <i>sats</i>`)}
${figure('Per label', html`${perLabel(sats)} <i>sats</i>`)}
${status.envelope?.spend != null && figure('Spend', html`${count(status.envelope.spend)} <i>sats at most</i>`)}
${status.envelope?.spend_per_day != null && figure('Spend a day', html`${count(status.envelope.spend_per_day)} <i>sats at most, ${number(status.envelope.spent_today)} today</i>`)}
${record.policy.budget !== null && figure('Budget', html`${count(record.policy.budget)} <i>tasks</i>`)}
${figure('Calls', count(all))}
${figure('Calls per label', perLabel(all))}
${figure('Polls per label', status.polls_per_label === null ? '–' : status.polls_per_label.toFixed(2))}
</dl>
${all > 0 && callsTable(rows)}`;
}

const callsTable = (rows: { operation: string; answer: string; n: number }[]): Html =>
  html`<table><caption>Gateway calls</caption><thead><tr><th scope="col">operation</th><th scope="col">answer</th><th scope="col" class="n">calls</th></tr></thead>
<tbody>${rows.map(
    ({ operation, answer, n }) =>
      html`<tr><th scope="row">${operation}</th><td>${answer}</td><td class="n">${count(n)}</td></tr>`,
  )}</tbody></table>`;

/** The earlier run, and what became of the lines that it had settled. */
function since({ since: earlier, carried, unchanged }: ShownHistory['status']): Html | false {
  if (earlier === null) return false;
  const what = earlier.carry
    ? `${number(carried)} rows copied`
    : `${number(unchanged)} lines unchanged, without a row here`;
  return html`run ${user(earlier.run, 64)}: ${what}`;
}

function facts({ status, record }: ShownHistory): Html {
  const { labelSpec, taskType, key } = record.task;
  const bytes = sum(status.parts.map((part) => part.bytes));
  const rows: [string, Html | string | false][] = [
    ['Manifest', user(status.manifest.uri)],
    ['Sources', record.manifest.count > 1 && number(record.manifest.count)],
    ['Question', labelSpec !== null && user(labelSpec.question)],
    ['Options', labelSpec !== null && html`${user(labelSpec.options.join(', '))}`],
    ['Task type', user(taskType)],
    ['Key', user(key)],
    ['Since', since(status)],
    ['Gateway', user(record.gateway)],
    ['Results', user(record.out)],
    ['Parts', `${number(status.parts.length)}, ${(bytes / 2 ** 20).toFixed(1)} MiB`],
    ['Started', time(status.started_at)],
    ['Hours', record.policy.hours ? user(record.policy.hours) : false],
    ...status.changes.map(({ what, from, to, at }): [string, Html] => [
      `Changed ${what}`,
      html`${user(String(from ?? 'none'))} → ${user(String(to ?? 'none'))}, ${time(at)}`,
    ]),
    ['Ended', status.ended_at !== null && time(status.ended_at)],
  ];
  return html`<table class="facts"><tbody>${rows.map(
    ([name, value]) => value && html`<tr><th scope="row">${name}</th><td>${value}</td></tr>`,
  )}</tbody></table>`;
}
