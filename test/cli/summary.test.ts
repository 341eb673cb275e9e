import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { formatSummary } from '../../src/cli/summary.js';
import { formatTable } from '../../src/cli/table.js';
import { span } from '../../src/lib/format.js';
import type { RunSummary } from '../../src/runs/status.js';

const summary: RunSummary = {
  run_id: 'r1',
  manifest: { uri: 'animals.jsonl', version: 'v1', digest: 'd' },
  spec_digest: 's',
  state: 'completed',
  lines: 1_020,
  settled: 1_000,
  failed: 20,
  unchanged: 0,
  carried: 0,
  since: null,
  failures: { invalid_json: 5, rejected: 15 },
  started_at: '2026-01-01T00:00:00Z',
  ended_at: '2026-01-01T00:01:00Z',
  gateway_calls: { submit: { '202': 1_000, '429': 10 }, result: { '200': 1_000, '202': 490 } },
  rate_limited: 10,
  backoff_seconds: 3.25,
  stood_still_seconds: 8,
  polls_per_label: 1.49,
  cost_sats: 650_000,
  labels: { dog: 300, cat: 600, bird: 100 },
  gold: null,
  escalated: null,
  parts: [],
  forecast: null,
  changes: [],
};
const extra = { out: 'out/r1', elapsedMs: 61_400 };

beforeEach(() => void vi.stubEnv('NO_COLOR', undefined));
afterEach(() => void vi.unstubAllEnvs());

test('says what became of the lines, what it took, where the files are and what to do next', () => {
  expect(formatSummary(summary, extra)).toBe(
    `
Run r1 completed
  manifest        animals.jsonl
  lines           1,020
  settled         1,000
  failed          20
    15  rejected
     5  invalid_json
  labels
    600  cat
    300  dog
    100  bird
  429s            10, all calls stood still for 8 s
  calls per label 2.50 (2,500 calls)
  polls per label 1.49
  cost            650,000 sats
  elapsed         1 min 1 s
  results         out/r1
  → failures-*.jsonl says why each failed; correct its inputs and run it as a manifest`.trim(),
  );
});

test('what failed for a passing reason is retried; what was refused is not, beside it neither', () => {
  const steps = (failures: Record<string, number>, failed: number) =>
    [...formatSummary({ ...summary, failures, failed }, extra).matchAll(/→ (.*)/g)].map(([, step]) => step);
  const retry = 'asg-ingest retry r1  submits what failed once more; failures-*.jsonl says why each did';
  expect(steps({ retries_exhausted: 3, cancelled: 2 }, 5)).toEqual([retry]);
  expect(steps({ rejected: 2, retries_exhausted: 3 }, 5)).toEqual([
    retry,
    '2 lines are refused again as they stand: correct their inputs and run those as a manifest',
  ]);
});

test('of each code the first line that failed, and why', () => {
  const example = { line: 7, source: null, stage: 'submit', message: 'data_url:\ntoo long' };
  const text = formatSummary(summary, { ...extra, examples: { rejected: [example] } });
  expect(text).toContain('    15  rejected: line 7: data_url:\\ntoo long\n     5  invalid_json\n');
});

test('lines that were refused as they stand are not to be retried', () => {
  const text = formatSummary({ ...summary, failures: { invalid_json: 20 } }, extra);
  expect(text).toMatch(
    /→ failures-\*\.jsonl says why each failed; correct its inputs and run it as a manifest$/,
  );
});

test('of many labels the twenty most frequent', () => {
  const labels = Object.fromEntries(Array.from({ length: 25 }, (_, i) => [`label-${i}`, i + 1]));
  const text = formatSummary({ ...summary, labels }, extra);
  expect(text).toMatch(/ {4}25 {2}label-24\n[\s\S]* 6 {2}label-5\n {4}and 5 more\n/);
  expect(text).not.toContain('label-4\n');
});

test('the next step follows from the state', () => {
  const step = (changes: Partial<RunSummary>) =>
    /→ (.*)$/.exec(formatSummary({ ...summary, ...changes }, extra))?.[1];
  expect(step({ failed: 0, failures: {} })).toBeUndefined();
  expect(step({ state: 'blocked' })).toBe('the same command again goes on where it stopped');
  expect(step({ state: 'paused' })).toContain('asg-ingest resume r1');
});

test('colour only when asked for, and not against NO_COLOR', () => {
  expect(formatSummary(summary, extra)).not.toContain('\u001b[');
  expect(formatSummary(summary, { ...extra, color: true })).toContain('\u001b[');
  vi.stubEnv('NO_COLOR', '1');
  expect(formatSummary(summary, { ...extra, color: true })).not.toContain('\u001b[');
});

test('nothing settled divides nothing', () => {
  const none = { ...summary, settled: 0, labels: {}, polls_per_label: null };
  expect(formatSummary(none, extra)).toContain('calls per label - (2,500 calls)');
});

test('spans', () => {
  expect([0, 4.24, 9.96, 59.4, 60, 200, 3_600, 7_500].map(span)).toEqual([
    '0 s',
    '4.2 s',
    '10 s',
    '59 s',
    '1 min',
    '3 min 20 s',
    '1 h',
    '2 h 5 min',
  ]);
});

test('tables', () => {
  const rows = [
    ['a', 5, null],
    ['long name', 1_234, 'x'],
  ];
  expect(formatTable(['run', 'lines', 'reason'], rows)).toBe(
    'run        lines  reason\na              5  -\nlong name   1234  x',
  );
  expect(formatTable(['run', 'lines'], [])).toBe('run  lines');
});
