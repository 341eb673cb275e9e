import { describe, expect, test } from 'vitest';
import { writeBeside } from '../../src/cli/live-frame.js';
import { createProgress, type ProgressStatus } from '../../src/cli/progress.js';
import { collector } from './harness.js';

const status = (changes: Partial<ProgressStatus> = {}): ProgressStatus => ({
  run_id: 'r1',
  manifest: { uri: 'animals.jsonl', version: 'v1', digest: 'd' },
  spec_digest: 's',
  state: 'running',
  lines: 2_000,
  settled: 900,
  failed: 100,
  unchanged: 0,
  carried: 0,
  since: null,
  failures: { rejected: 100 },
  started_at: '2026-01-01T00:00:00Z',
  ended_at: null,
  gateway_calls: {},
  rate_limited: 7,
  backoff_seconds: 0,
  stood_still_seconds: 8,
  polls_per_label: 1,
  cost_sats: 650_000,
  labels: {},
  gold: null,
  escalated: null,
  parts: [],
  forecast: null,
  queued: 300,
  in_flight: 700,
  rate: 50,
  eta_seconds: 90,
  reason: null,
  message: null,
  waiting_for: null,
  waiting_until: null,
  envelope: null,
  changes: [],
  produced: true,
  calls_per_second: 49.64,
  ...changes,
});

async function start(mode: 'live' | 'lines' | 'json' | 'quiet') {
  const { stream, text } = collector();
  let time = 0;
  const progress = await createProgress({ mode, stderr: stream, now: () => time });
  return { progress, text, stream, pass: (ms: number) => (time += ms) };
}

const linesOf = (text: string) => text.split('\n').filter((line) => line !== '');

describe('lines', () => {
  test('a plain line at once, then every 5 s, and at a change of state', async () => {
    const { progress, text, pass } = await start('lines');
    progress.update(status());
    expect(linesOf(text())).toEqual([
      'running: 1,000 of 2,000 lines 50%, queued 300, in flight 700, settled 900, failed 100, 49.6 calls/s of 50, 429s 7, 650,000 sats spent, about 1 min 30 s left',
    ]);
    for (let i = 0; i < 49; i++) {
      pass(100);
      progress.update(status({ settled: 901 + i }));
    }
    expect(linesOf(text())).toHaveLength(1);
    pass(100);
    progress.update(status({ settled: 1_000 }));
    expect(linesOf(text())).toHaveLength(2);
    progress.update(status({ state: 'blocked', reason: 'quota' }));
    expect(linesOf(text())[2]).toMatch(/^blocked: quota: /);
    progress.stop();
    expect(linesOf(text())).toHaveLength(3);
  });

  test('stop shows the last status, once', async () => {
    const { progress, text } = await start('lines');
    progress.update(status());
    progress.update(status({ settled: 1_900, produced: true }));
    progress.stop();
    progress.stop();
    progress.update(status());
    expect(linesOf(text())).toHaveLength(2);
    expect(linesOf(text())[1]).toContain('2,000 of 2,000 lines 100%');
  });

  test('no share of the lines before all have been read; no limit, no ETA where there is none', async () => {
    const { progress, text } = await start('lines');
    progress.update(status({ produced: false, read: 2_500, rate: null, eta_seconds: null }));
    expect(text()).toContain('running: 1,000 of 2,500 lines read so far, queued');
    expect(text()).not.toMatch(/%|left| of 50/);
  });

  test('before the first line there is no "0 of 0 lines"', async () => {
    const { progress, text } = await start('lines');
    progress.update(status({ produced: false, read: 0, lines: 0, settled: 0, failed: 0 }));
    expect(text()).toMatch(/^running: no line read yet, queued/);
  });

  test('99.9% is not 100%', async () => {
    const { progress, text } = await start('lines');
    progress.update(status({ settled: 1_899 }));
    expect(text()).toContain(' 99%');
  });
});

test('json: an object a line each second, and notes', async () => {
  const { progress, text, pass } = await start('json');
  progress.note('run r1');
  progress.update(status());
  pass(999);
  progress.update(status());
  pass(1);
  progress.update(status({ settled: 950 }));
  progress.stop();
  const events = linesOf(text()).map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(events).toEqual([
    { event: 'note', text: 'run r1' },
    { event: 'progress', ...status() },
    { event: 'progress', ...status({ settled: 950 }) },
  ]);
});

test('quiet: nothing', async () => {
  const { progress, text } = await start('quiet');
  progress.note('run r1');
  progress.update(status());
  progress.stop();
  expect(text()).toBe('');
});

describe('live', () => {
  test('a frame with the bar, redrawn ten times a second at most', async () => {
    const { progress, text, pass } = await start('live');
    progress.update(status());
    for (const part of [
      '███████████████░░░░░░░░░░░░░░░ 50%',
      'queued 300',
      'in flight 700',
      '49.6 calls/s of 50',
      '429s 7',
      '650,000 sats spent',
      'about 1 min 30 s left',
    ])
      expect(text()).toContain(part);
    progress.update(status({ settled: 1_000 }));
    expect(text()).not.toContain('settled 1,000');
    pass(100);
    progress.update(status({ settled: 1_001 }));
    expect(text()).toContain('settled 1,001');
    progress.stop();
  });

  test('the reason and what to do while blocked; dots instead of a bar while reading', async () => {
    const { progress, text } = await start('live');
    progress.update(
      status({
        state: 'blocked',
        reason: 'quota',
        message: 'the quota is used up',
        produced: false,
        read: 5,
      }),
    );
    expect(text()).toContain('blocked: quota (the quota is used up)');
    expect(text()).toContain('····');
    progress.stop();
  });

  test('log lines and notes stand above the frame, which is drawn again', async () => {
    const { progress, text, stream } = await start('live');
    progress.update(status());
    const before = text().length;
    writeBeside(stream, 'a log line\n');
    const after = text().slice(before);
    expect(after.indexOf('queued 300')).toBeGreaterThan(after.indexOf('a log line\n'));
    progress.note('a note');
    expect(text().slice(before + after.length)).toContain('a note\n');
    progress.stop();
    const end = text().length;
    writeBeside(stream, 'later\n');
    expect(text().slice(end)).toBe('later\n');
  });
});
