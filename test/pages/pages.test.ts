import { expect, test } from 'vitest';
import { documentOf } from '../../src/pages/document.js';
import { html, user } from '../../src/pages/html.js';
import type { ShownRun } from '../../src/pages/read-runs.js';
import { runsPage } from '../../src/pages/runs-page.js';
import { shownRun } from './runs.js';

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
    'Settled 600 Failed 20 In flight 100 Queued 280 Calls/s 180.2 of 200 allowed 429s 7 waited 12 s',
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
    '100% of 1,000 lines have ended Settled 980 Failed 20 429s 7 waited 12 s Took 3 min 20 s',
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
      manifest: { uri: evil, version: 'v' },
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
