import type { ShownHistory, ShownRun } from '../../src/pages/read-runs.js';
import { historyOf } from '../../src/runs/history.js';
import type { RunStatus } from '../../src/runs/status.js';

/** A run as the pages read it: one in the middle of its way, unless told otherwise. */
export function shownRun(status: Partial<RunStatus> = {}, more: Partial<ShownRun> = {}): ShownRun {
  const whole: RunStatus = {
    run_id: 'r1',
    manifest: { uri: 'file:///items.jsonl', version: 'v' },
    state: 'running',
    lines: 1_000,
    settled: 600,
    failed: 20,
    failures: { rejected: 15, invalid_json: 5 },
    started_at: '2026-11-25T10:00:00.000Z',
    ended_at: null,
    gateway_calls: { submit: { 202: 700, 429: 7 }, result: { 200: 600, 202: 300 } },
    rate_limited: 7,
    backoff_seconds: 12,
    polls_per_label: 1.5,
    cost_sats: 123_456,
    labels: { cat: 450, dog: 150 },
    parts: [],
    queued: 280,
    in_flight: 100,
    rate: null,
    eta_seconds: 95,
    reason: null,
    message: null,
    produced: true,
    ...status,
  };
  return {
    record: {
      id: whole.run_id,
      manifest: { ...whole.manifest, sources: ['items.jsonl'] },
      task: { taskType: 'image_classification', labelSpec: null, consensusThreshold: null, key: 'line' },
      policy: {
        maxQueued: 20_000,
        maxInFlight: 100_000,
        poll: 'auto',
        pollDelayMs: 5_000,
        pollMaxDelayMs: 60_000,
        resultTimeoutMs: 86_400_000,
        until: 'settled',
        maxFailures: null,
        budget: null,
        retryForMs: 3_600_000,
        partSizeBytes: 1 << 26,
        partAgeMs: 300_000,
        compress: false,
        weight: 1,
      },
      gateway: 'sandbox',
      keyFingerprint: '0123456789ab',
      out: '/data/out',
      sinkId: 's',
      state: whole.state,
      reason: whole.reason,
      message: whole.message,
      startedAt: whole.started_at,
      endedAt: whole.ended_at,
    },
    status: whole,
    unflushed: { bytes: 0, rows: 0, oldestMs: 0 },
    planned: false,
    summedUp: false,
    jobs: { submit: whole.queued, poll: whole.in_flight, submitting: 0 },
    tasksDue: 0,
    bought: 0,
    queuesPaused: { submit: false, poll: false },
    read: { lines: whole.lines, skipped: 0, bytes: 0 },
    present: { consumers: 2, callsPerSecond: 180.2, submitting: 0 },
    allowed: 200,
    ...more,
  };
}

/** The same with what the run's own page needs. */
export const shownHistory = (
  status: Partial<RunStatus> = {},
  more: Partial<ShownHistory> = {},
): ShownHistory => ({
  ...shownRun(status),
  history: historyOf({
    u0: '300',
    u1: '400',
    s1: '200',
    s2: '400',
    f2: '20',
    l1: '7',
    c18: '450',
    c9: '150',
    t3: '500',
    t9: '100',
  }),
  examples: { rejected: [{ line: 12, source: null, stage: 'submit', message: 'data_url: not found' }] },
  ...more,
});
