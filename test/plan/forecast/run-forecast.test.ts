import { describe, expect, test } from 'vitest';
import { exactly } from '../../../src/lib/range.js';
import { type Known, NOTHING_KNOWN } from '../../../src/plan/forecast/facts.js';
import { forecastOf } from '../../../src/plan/forecast/run-forecast.js';
import type { RunReading } from '../../../src/runs/read-status.js';
import {
  countPending,
  countSettled,
  type SettleObservations,
  settleTimes,
} from '../../../src/runs/settle-times.js';
import type { RunStatus } from '../../../src/runs/status.js';
import { shownRun } from '../../web/pages/runs.js';

const START = Date.parse('2026-11-25T10:00:00.000Z');

interface At {
  seconds: number;
  status?: Partial<RunStatus>;
  read?: RunReading['read'];
  callsPerSecond?: number;
  submitting?: number;
  bytes?: number | null;
  finishBy?: string;
}

function reading({
  seconds,
  status = {},
  read,
  callsPerSecond = 50,
  submitting = 0,
  bytes = null,
  finishBy,
}: At): RunReading {
  const run = shownRun({ failures: {}, failed: 0, ...status });
  return {
    ...run,
    record: {
      ...run.record,
      manifest: { ...run.record.manifest, bytes },
      policy: { ...run.record.policy, ...(finishBy === undefined ? {} : { finishBy }) },
    },
    nowMs: START + seconds * 1000,
    read: read ?? run.read,
    present: { consumers: 1, callsPerSecond, submitting },
  };
}

/** Settle times as a run sees them: `settled` tasks spread over the span, and others still in progress at an age. */
function seen(settled: number, fromS: number, toS: number, pending = 0, ageS = 0): Known {
  const sightings: SettleObservations = new Map();
  for (let n = 0; n < settled; n += 1)
    countSettled(sightings, 0, (fromS + ((n + 0.5) / settled) * (toS - fromS)) * 1000);
  for (let n = 0; n < pending; n += 1) countPending(sightings, 0, ageS * 1000);
  return { ...NOTHING_KNOWN, settle: settleTimes(sightings), rate: 50, limitedBy: 'user' };
}

const within = (value: number | undefined, truth: number, share: number) =>
  expect(Math.abs((value ?? Number.NaN) / truth - 1)).toBeLessThan(share);

describe('a run of 1,000 lines at 50 calls/s', () => {
  test('says nothing of its end when one line has settled, nor when most are in flight', () => {
    const first = reading({
      seconds: 5,
      status: {
        settled: 1,
        queued: 800,
        in_flight: 199,
        cost_sats: 650,
        gateway_calls: { submit: { 202: 200 }, result: { 202: 39, 200: 1 } },
      },
    });
    const one = forecastOf(first, { ...NOTHING_KNOWN, rate: 50 });
    expect(one).toMatchObject({
      expected: { lines: exactly(1_000), cost_sats: null, calls: null, seconds: null, ends_at: null },
      unknown: 'too few lines have settled to tell',
    });
    // All submitted after 20 s, and of labels that take 30 to 90 s few are there: their price is known, their end is not.
    const slow = reading({
      seconds: 35,
      status: {
        settled: 25,
        queued: 0,
        in_flight: 975,
        cost_sats: 25 * 650,
        gateway_calls: { submit: { 202: 1_000 }, result: { 202: 700, 200: 25 } },
      },
    });
    const early = forecastOf(slow, seen(25, 30, 33, 975, 33));
    expect(early.expected?.cost_sats?.expected).toBe(650_000);
    expect(early.expected?.seconds).toBeNull();
  });

  test('forecasts its end from what is left to submit, the polls to come, and the last labels', () => {
    const half = reading({
      seconds: 21,
      status: {
        settled: 400,
        queued: 500,
        in_flight: 100,
        cost_sats: 400 * 650,
        gateway_calls: { submit: { 202: 500 }, result: { 202: 80, 200: 400 } },
      },
    });
    const { expected, unknown } = forecastOf(half, seen(400, 1, 5));
    expect(unknown).toBeNull();
    expect(expected?.cost_sats?.expected).toBe(650_000);
    // 1,100 calls more or so, and the last label.
    within(expected?.calls?.expected, 2_100, 0.05);
    within(expected?.seconds?.expected, 21 + 1_110 / 47 + 2, 0.1);
    const ends = (Date.parse(expected?.ends_at ?? '') - START) / 1000;
    expect(Math.round(ends)).toBe(expected?.seconds?.expected);
    expect(expected?.seconds?.low).toBeLessThan(expected?.seconds?.expected ?? 0);
    expect(expected?.seconds?.high).toBeGreaterThan(expected?.seconds?.expected ?? 0);
  });

  test('labels that take long: the end is theirs, not that of the calls', () => {
    // All submitted after 20 s; at 60 s half have settled, of labels that take 30 to 90 s.
    const waiting = reading({
      seconds: 60,
      status: {
        settled: 400,
        queued: 0,
        in_flight: 600,
        gateway_calls: { submit: { 202: 1_000 }, result: { 202: 500, 200: 400 } },
      },
      callsPerSecond: 10,
    });
    const { expected } = forecastOf(waiting, seen(1_000, 30, 90));
    within(expected?.seconds?.expected, 105, 0.15);
  });

  test('lines that were admitted and wait for their slot are still to be submitted', () => {
    const at = {
      settled: 100,
      in_flight: 300,
      queued: 600,
      gateway_calls: { submit: { 202: 200 }, result: { 200: 100 } },
    };
    const { expected } = forecastOf(reading({ seconds: 10, status: at, submitting: 200 }), NOTHING_KNOWN);
    expect(expected?.calls?.expected).toBe(2_000);
  });

  test('a run that was away goes on at the pace it makes now', () => {
    const back = reading({
      seconds: 10_000,
      status: {
        settled: 400,
        queued: 500,
        in_flight: 100,
        gateway_calls: { submit: { 202: 500 }, result: { 202: 80, 200: 400 } },
      },
    });
    expect(forecastOf(back, seen(400, 1, 5)).expected?.seconds_left?.expected).toBeLessThan(40);
  });
});

test('lines to come are told by the bytes to come; of a compressed manifest nothing is told', () => {
  const at = {
    seconds: 100,
    status: {
      produced: false,
      lines: 20_400,
      settled: 400,
      queued: 19_900,
      in_flight: 100,
      cost_sats: 400 * 650,
      gateway_calls: { submit: { 202: 500 }, result: { 200: 400 } },
    },
    read: { lines: 20_400, skipped: 0, bytes: 2_040_000 },
  };
  const { expected } = forecastOf(reading({ ...at, bytes: 100_000_000 }), NOTHING_KNOWN);
  expect(expected?.lines).toMatchObject({ expected: 1_000_000 });
  expect(expected?.cost_sats?.expected).toBe(650_000_000);
  const packed = forecastOf(reading({ ...at, bytes: null }), NOTHING_KNOWN);
  expect(packed.expected).toMatchObject({ lines: null, cost_sats: null, seconds: null });
  expect(packed.unknown).toContain('still being read');
});

test('lines that were rejected as they were read are no share of what is to come', () => {
  const at = reading({
    seconds: 20,
    status: {
      lines: 10_000,
      settled: 100,
      failed: 1_000,
      failures: { invalid_line: 1_000 },
      queued: 8_800,
      in_flight: 100,
      cost_sats: 65_000,
      gateway_calls: { submit: { 202: 200 }, result: { 200: 100 } },
    },
    read: { lines: 10_000, skipped: 0, bytes: 1 },
  });
  expect(forecastOf(at, NOTHING_KNOWN).expected?.cost_sats?.expected).toBe(9_000 * 650);
});

test('before it tells anything of its own, what was planned is told; at the end, by how much that was off', () => {
  const planned = {
    by: 'plan',
    at: '2026-11-25T09:00:00.000Z',
    cost_sats: exactly(600_000),
    calls: exactly(2_000),
    seconds: exactly(50),
  } as const;
  const begun = reading({
    seconds: 10,
    status: { settled: 0, cost_sats: 0, in_flight: 0, queued: 1_000, gateway_calls: {} },
  });
  expect(forecastOf(begun, { ...NOTHING_KNOWN, planned }).expected).toMatchObject({
    cost_sats: exactly(600_000),
    seconds_left: exactly(40),
  });
  const over = reading({
    seconds: 60,
    status: {
      state: 'completed',
      ended_at: '2026-11-25T10:01:00.000Z',
      settled: 1_000,
      cost_sats: 630_000,
      gateway_calls: { submit: { 202: 1_000 }, result: { 200: 900 } },
    },
  });
  expect(forecastOf(over, { ...NOTHING_KNOWN, planned })).toMatchObject({
    expected: null,
    actual: { cost_sats: 630_000, calls: 1_900, seconds: 60 },
    off: { cost_sats: 0.05, calls: -0.05, seconds: 0.2 },
  });
});

describe('--finish-by', () => {
  const half = {
    seconds: 21,
    status: {
      settled: 400,
      queued: 500,
      in_flight: 100,
      gateway_calls: { submit: { 202: 500 }, result: { 202: 80, 200: 400 } },
    },
  };
  const checked = (finishBy: string, known: Partial<Known> = {}, at: Partial<At> = {}) =>
    forecastOf(reading({ ...half, finishBy, ...at }), { ...seen(400, 1, 5), ...known }).finish_by;

  test('that will be kept, and that nothing is known of yet', () => {
    expect(checked('2026-11-25T10:02:00.000Z')).toMatchObject({ kept: true, message: null });
    expect(
      checked('2026-11-25T10:02:00.000Z', {}, { status: { settled: 0, gateway_calls: {} } }),
    ).toMatchObject({ kept: null });
  });

  test("that the user's own limit breaks: the calls per second that it takes", () => {
    const late = checked('2026-11-25T10:00:35.000Z');
    expect(late).toMatchObject({ kept: false });
    expect(late?.late_seconds).toBeGreaterThan(5);
    const needs = /make it: ([\d.]+) calls\/s, where --rate or `asg-ingest rate` allow 50$/.exec(
      late?.message ?? '',
    );
    expect(Number(needs?.[1])).toBeGreaterThan(80);
    expect(Number(needs?.[1])).toBeLessThan(150);
  });

  test("that the Gateway's limit breaks: webhooks where those would do, else time", () => {
    expect(checked('2026-11-25T10:00:40.000Z', { limitedBy: 'gateway' })?.message).toContain(
      '--webhook-trust',
    );
    expect(checked('2026-11-25T10:00:28.000Z', { limitedBy: 'gateway' })?.message).toContain(
      'a later time, or fewer lines',
    );
  });

  test('that the processes break, that the labels break, and that is over', () => {
    expect(checked('2026-11-25T10:00:35.000Z', { rate: 500 })?.message).toContain('more processes');
    const submitted = {
      status: { settled: 400, queued: 0, in_flight: 600, gateway_calls: half.status.gateway_calls },
    };
    expect(checked('2026-11-25T10:00:22.000Z', {}, submitted)?.message).toContain('as long as they take');
    expect(checked('2026-11-25T10:00:01.000Z')?.message).toMatch(/make it: a later time$/);
  });
});
