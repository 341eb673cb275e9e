import { expect, test } from 'vitest';
import type { RunForecast } from '../../../src/runs/forecast.js';
import type { RunStatus } from '../../../src/runs/status.js';
import { historyOf } from '../../../src/runs/timeline.js';
import { niceTop } from '../../../src/web/pages/charts.js';
import { documentOf } from '../../../src/web/pages/document.js';
import { html, user } from '../../../src/web/pages/html.js';
import type { ShownRun } from '../../../src/web/pages/read-runs.js';
import { noRunPage, runPage } from '../../../src/web/pages/run-page.js';
import { runsPage } from '../../../src/web/pages/runs-page.js';
import { shownHistory, shownRun } from './runs.js';

const NOW = '2026-11-25T10:05:00.000Z';
const runs = (...some: ShownRun[]) => documentOf(runsPage({ runs: some, total: some.length }, NOW));
/** What a reader sees: no tags, one space for many. */
const textOf = (markup: string) =>
  markup
    .replace(/[\s\S]*<body>|<script>[\s\S]*/g, '')
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ');

test('values are escaped in text and attributes; markup goes in as it is', () => {
  const value = `<b a="1" c='2'>&`;
  expect(html`<p title="${value}">${value}${html`<i>${1}</i>`}${null}${false}${[1, '<']}</p>`.markup).toBe(
    '<p title="&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;">' +
      '&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;<i>1</i>1&lt;</p>',
  );
  expect(user('x'.repeat(400)).markup).toBe(`<bdi>${'x'.repeat(300)}…</bdi>`);
});

test('a running run: progress, rate against the allowed one, 429s, time left, labels, failures', () => {
  const text = textOf(runs(shownRun()));
  for (const words of [
    'r1 running since 2026-11-25 10:00:00 UTC',
    '62% of 1,000 lines have ended · 2 processes',
    'Settled 600 Failed 20 In flight 100 Queued 280 Calls/s 180.2 of 200 allowed 429s 7 the fleet stood still for 8 s',
    'Time left 1 min 35 s Cost 123,456 sats',
    'cat 450 75% dog 150 25%',
    'rejected 15 75% invalid_json 5 25%',
  ])
    expect(text).toContain(words);
});

test('a blocked run says why; an ended one what it took; one line short of the end is not 100%', () => {
  const blocked = shownRun({ state: 'blocked', reason: 'quota', message: 'the quota is used up; top it up' });
  expect(textOf(runs(blocked))).toContain('blocked: quota');
  expect(textOf(runs(blocked))).toContain('the quota is used up; top it up');
  const over = { state: 'completed', ended_at: '2026-11-25T10:03:20.000Z' } as const;
  const text = textOf(runs(shownRun({ ...over, settled: 980, in_flight: 0, queued: 0 })));
  expect(text).toContain(
    '100% of 1,000 lines have ended Settled 980 Failed 20 429s 7 the fleet stood still for 8 s Took 3 min 20 s',
  );
  expect(textOf(runs(shownRun({ settled: 979 })))).toContain('99% of 1,000 lines');
  expect(textOf(runs(shownRun({ produced: false })))).toContain('62% of 1,000 lines read so far');
});

test('ids, labels, messages and addresses of users are shown and never taken for markup', () => {
  const evil = '</script><script>alert(1)</script><img src=x onerror=alert(2)>';
  const page = runs(
    shownRun({
      run_id: evil,
      state: 'blocked',
      reason: 'sink',
      message: evil,
      manifest: { uri: evil, version: 'v', digest: 'd' },
      labels: { [evil]: 3 },
      failures: { [evil]: 3 },
    }),
  );
  expect(page.match(/<script|<img/g)).toEqual(['<script']);
  expect(page).toContain(
    '&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror=alert(2)&gt;',
  );
});

test('no runs, and more than are shown', () => {
  expect(textOf(runs())).toContain('No run is on record here.');
  expect(textOf(documentOf(runsPage({ runs: [shownRun()], total: 31 }, NOW)))).toContain('31 runs, as of');
  expect(documentOf(runsPage({ runs: [shownRun()], total: 31 }, NOW))).toContain(
    '<code>asg-ingest runs</code>',
  );
});

const ended = { state: 'completed', ended_at: '2026-11-25T10:00:03.000Z', in_flight: 0, queued: 0 } as const;

test("a run's page: every chart says in words what it shows, and has its figures as a table", () => {
  const page = documentOf(runPage(shownHistory(ended), NOW));
  const text = textOf(page);
  for (const words of [
    '600 settled in 3 s: 200 per second on the whole, 400 at best',
    '7 calls were answered with 429, at most 7 in 1 s',
    'The Gateway took: half within 141 ms, 95% within 200 ms. From submission until we asked and had the label: half within 283 ms, 95% within 2.3 s',
    'Half of the labels above 0.90, 25% below 0.50',
    '1 s to 2 s 400 200 0 7',
    'rejected line 12, submit: data_url: not found 15 75%',
    'Per label 205.76 sats',
    'result 202 300',
  ])
    expect(text).toContain(words);
  expect(page.match(/<svg class="bars/g)).toHaveLength(4);
  expect(page.match(/role="img" aria-label="/g)).toHaveLength(4);
  expect(page).toContain('href="../"');
});

test('a report is one file: no script, nothing fetched, its policy inside', () => {
  const page = documentOf(runPage(shownHistory(ended), NOW, { alone: true }), { alone: true });
  expect(page).not.toMatch(/<script|<a |(src|href)="(?!data:)/);
  expect(page).toContain(`http-equiv="Content-Security-Policy" content="default-src &#39;none&#39;`);
});

test('a run with nothing counted yet, and one that is not there', () => {
  const none = { labels: {}, failures: {}, settled: 0, failed: 0, polls_per_label: null, gateway_calls: {} };
  const text = textOf(documentOf(runPage(shownHistory(none, { history: historyOf({}), examples: {} }), NOW)));
  expect(text).toContain('0% of 1,000 lines have ended');
  expect(text).toContain('Labels None yet. Failures None.');
  expect(text).not.toContain('Throughput');
  expect(textOf(documentOf(noRunPage('<b>')))).toContain('No run &lt;b&gt; is on record here');
});

test('what a user wrote stays text on the run page, too', () => {
  const evil = '"><script>alert(1)</script>';
  const run = shownHistory({
    labels: { [evil]: 1 },
    failures: { [evil]: 1 },
    message: evil,
    manifest: { uri: evil, version: evil, digest: evil },
  });
  run.examples = { [evil]: [{ line: 1, source: evil, stage: evil, message: evil }] };
  run.record = {
    ...run.record,
    out: evil,
    task: { ...run.record.task, labelSpec: { question: evil, options: [evil, evil] } },
  };
  const page = documentOf(runPage(run, NOW, { alone: true }), { alone: true });
  expect(page).not.toContain('<script');
  expect(page).not.toContain('"">');
});

test('the top of an axis is a round number', () => {
  expect([0, 0.3, 1, 1.1, 2.2, 7, 10, 240, 251].map(niceTop)).toEqual([1, 0.5, 1, 2, 2.5, 10, 10, 250, 500]);
});

test('polls that wait for submissions are said to', () => {
  const waiting = textOf(documentOf(runPage(shownHistory({ queued: 500, in_flight: 100 }), NOW)));
  expect(waiting).toContain('Polls wait while submissions want the calls');
  expect(textOf(documentOf(runPage(shownHistory(ended), NOW)))).not.toContain('Polls wait');
});

test('429s: how long the fleet stood still, not the waits of all its calls added up', () => {
  const text = (status: Partial<RunStatus>) => textOf(documentOf(runPage(shownHistory(status), NOW)));
  expect(text({ rate_limited: 32, backoff_seconds: 52, stood_still_seconds: 3 })).toContain(
    '32 the fleet stood still for 3 s',
  );
  expect(text({ stood_still_seconds: 0 })).toContain('the fleet never stood still');
});

test("a run's forecast: what was planned, what is expected or was; a time that will not be kept is told on both pages", () => {
  const planned = {
    by: 'pilot',
    at: '2026-11-25T09:00:00.000Z',
    cost_sats: { expected: 600_000, low: 580_000, high: 620_000 },
    calls: null,
    seconds: { expected: 90, low: 80, high: 100 },
  } as const;
  const forecast: RunForecast = {
    planned,
    expected: {
      lines: null,
      cost_sats: { expected: 650_000, low: 640_000, high: 660_000 },
      calls: null,
      seconds: null,
      seconds_left: null,
      calls_per_second: null,
      ends_at: null,
    },
    actual: null,
    off: null,
    unknown: 'too few lines have settled to tell',
    finish_by: {
      time: '2026-11-25T10:01:00.000Z',
      kept: false,
      late_seconds: 60,
      message: 'the run will not have ended by <b>',
    },
  };
  const going = textOf(documentOf(runPage(shownHistory({ forecast }), NOW)));
  for (const words of [
    'the run will not have ended by &lt;b&gt;',
    'planned expected Cost (sats) 600,000 580,000 to 620,000 650,000 640,000 to 660,000 Calls – unknown yet',
    'Time 1 min 30 s 1 min 20 s to 1 min 40 s unknown yet',
    'Ends: unknown yet, too few lines have settled to tell.',
    'Planned by a pilot, 2026-11-25 09:00:00 UTC .',
  ])
    expect(going).toContain(words);
  expect(textOf(runs(shownRun({ forecast })))).toContain('will not have ended by &lt;b&gt;');
  const over = {
    ...forecast,
    expected: null,
    actual: { cost_sats: 612_000, calls: 2_100, seconds: 81 },
    off: { cost_sats: 0.02, calls: null, seconds: -0.1 },
    unknown: null,
    finish_by: null,
  };
  const ended = textOf(documentOf(runPage(shownHistory({ state: 'completed', forecast: over }), NOW)));
  expect(ended).toContain('planned was Cost (sats) 600,000 580,000 to 620,000 612,000 +2%');
  expect(ended).toContain('Time 1 min 30 s 1 min 20 s to 1 min 40 s 1 min 21 s −10%');
});
