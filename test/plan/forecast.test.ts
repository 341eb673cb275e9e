import { describe, expect, test } from 'vitest';
import { exactly } from '../../src/lib/range.js';
import { forecastRun, type Outlook, type SoFar } from '../../src/plan/forecast.js';
import { forecastPolling } from '../../src/plan/polling-forecast.js';
import { costOfLabels, priceOf } from '../../src/plan/price.js';
import type { RunPolicy } from '../../src/runs/record.js';
import { draw, learned, type WorkloadName } from '../consumers/poll-schedule/distributions.js';
import { simulateRun } from '../consumers/poll-schedule/simulated-run.js';

const NOTHING: Outlook = {
  price: null,
  callsPerSecond: null,
  pollsPerLabel: null,
  settle: null,
  maxInFlight: 100_000,
  quota: null,
};
const soFar = (changes: Partial<SoFar> = {}): SoFar => ({
  lines: exactly(1_000),
  read: 1_000,
  settled: 0,
  failed: 0,
  rejected: 0,
  inFlight: 0,
  costSats: 0,
  secondTasks: null,
  calls: 0,
  polls: 0,
  elapsedSeconds: 0,
  ...changes,
});

describe('a run that goes on', () => {
  test('of which nothing is known yet has no forecast', () => {
    expect(forecastRun(soFar(), NOTHING)).toEqual({ cost_sats: null, calls: null, seconds: null });
  });

  test('is forecast from its own counts: a tenth done is a tenth of the cost and of the time', () => {
    const done = soFar({ settled: 100, costSats: 65_000, calls: 220, polls: 120, elapsedSeconds: 11 });
    const { cost_sats: cost, calls, seconds } = forecastRun(done, NOTHING);
    expect(cost?.expected).toBe(650_000);
    expect(cost?.low).toBeLessThan(650_000);
    expect(cost?.high).toBeGreaterThan(650_000);
    expect(calls?.expected).toBe(2_200);
    expect(seconds?.expected).toBeCloseTo(110, 5);
  });

  test('lines that fail cost nothing, and as many will', () => {
    const done = soFar({
      settled: 80,
      failed: 20,
      costSats: 52_000,
      calls: 200,
      polls: 100,
      elapsedSeconds: 10,
    });
    expect(forecastRun(done, NOTHING).cost_sats?.expected).toBeCloseTo(520_000, 5);
  });

  test('a price known from elsewhere serves until the run has its own', () => {
    const price = { value: 650, source: 'usage', labels: 1_000, spread: 0 } as const;
    expect(forecastRun(soFar(), { ...NOTHING, price }).cost_sats?.expected).toBe(650_000);
    const done = soFar({ settled: 100, costSats: 97_500 });
    expect(forecastRun(done, { ...NOTHING, price }).cost_sats?.expected).toBe(975_000);
  });

  test('that has ended is what it was', () => {
    const done = soFar({ settled: 1_000, costSats: 650_000, calls: 2_000, polls: 1_000, elapsedSeconds: 60 });
    expect(forecastRun(done, NOTHING)).toEqual({
      cost_sats: exactly(650_000),
      calls: exactly(2_000),
      seconds: exactly(60),
    });
  });

  test('lines to come are asked again as often as those so far, and those that are asked again now are not twice', () => {
    // Of 1,000 lines 300 are asked again: first tasks 600 sats and second ones 1,000, one poll each.
    const counts = { costSats: 100 * 600 + 20 * 1_000, inFlight: 50, elapsedSeconds: 10 };
    const secondTasks = { ended: 20, answered: 20, out: 16, costSats: 20_000, priceRatio: 5 / 3 };
    // Submitted: 150 first tasks and 36 second ones; collected: 116 and 20.
    const done = soFar({ ...counts, settled: 100, secondTasks, calls: 186 + 136, polls: 136 });
    const { cost_sats: cost, calls, seconds } = forecastRun(done, NOTHING);
    const second = 36 + (884 * 36) / 116;
    expect(cost?.expected).toBeCloseTo(1_000 * 600 + second * 1_000, 3);
    expect(calls?.expected).toBeCloseTo(2 * (1_000 + second), 3);
    expect(seconds?.expected).toBeGreaterThan(50);
    expect(cost?.low).toBeLessThan(cost?.expected ?? 0);

    const few = { ended: 2, answered: 2, out: 0, costSats: 2_000, priceRatio: 5 / 3 };
    const early = forecastRun(
      soFar({ settled: 40, costSats: 26_000, secondTasks: few, calls: 84, polls: 42 }),
      NOTHING,
    );
    expect(early.cost_sats?.expected).toBeCloseTo(26_000 + 960 * 600 + 48 * 1_000, 3);

    const over = soFar({
      settled: 1_000,
      costSats: 900_000,
      secondTasks: { ...secondTasks, out: 0 },
      calls: 2_600,
      polls: 1_300,
    });
    expect(forecastRun(over, NOTHING)).toMatchObject({ cost_sats: exactly(900_000), calls: exactly(2_600) });
  });

  test('ranges narrow as it goes on', () => {
    const widthAt = (settled: number) => {
      const done = soFar({
        settled,
        costSats: 650 * settled,
        calls: 2 * settled,
        polls: settled,
        elapsedSeconds: settled / 10,
      });
      const cost = forecastRun(done, NOTHING).cost_sats;
      return (cost?.high ?? 0) - (cost?.low ?? 0);
    };
    expect(widthAt(500)).toBeLessThan(widthAt(50));
    expect(widthAt(950)).toBeLessThan(widthAt(500));
  });
});

describe('the price of a label', () => {
  test('is the mean over past runs; those that were not told their prices do not count', () => {
    const price = priceOf([
      { settled: 100, costSats: 65_000, polls: 120 },
      { settled: 300, costSats: 200_000, polls: 300 },
      { settled: 500, costSats: 0, polls: 0 },
      { settled: 500, costSats: 6_500, polls: 10 },
    ]);
    expect(price).toMatchObject({ value: 662.5, source: 'history', labels: 400 });
    expect(price?.spread).toBeGreaterThan(0);
  });

  test('that nobody knows is null', () => expect(priceOf([])).toBeNull());

  test('a given one is exact, a learned one is not', () => {
    const given = { value: 650, source: 'flag', labels: 0, spread: 0 } as const;
    expect(costOfLabels(given, exactly(10))).toEqual(exactly(6_500));
    const few = costOfLabels({ ...given, source: 'history', labels: 25 }, exactly(1_000_000));
    const many = costOfLabels({ ...given, source: 'history', labels: 10_000 }, exactly(1_000_000));
    expect(few.high - few.low).toBeGreaterThan(5 * (many.high - many.low));
  });
});

describe('polls and time, against a whole run on virtual time', () => {
  const policy = {
    poll: 'auto',
    pollDelayMs: 5_000,
    pollMaxDelayMs: 60_000,
    resultTimeoutMs: 86_400_000,
    maxInFlight: 100_000,
  } as RunPolicy;
  const cases: [WorkloadName, number, number][] = [
    ['uniform, 1 to 3 s', 3_000, 50],
    ['uniform, 10 to 60 s', 3_000, 50],
    ['bimodal, 90% at 5 s, 10% at 120 s', 3_000, 50],
    // Longer than what is simulated: its middle is reckoned.
    ['uniform, 1 to 3 s', 40_000, 400],
  ];
  test.each(cases)(
    '%s, %d tasks at %d calls/s: within a tenth',
    async (name, tasks, perSecond) => {
      const forecast = await forecastPolling(
        learned(draw(name, 1_000, 'history')),
        policy,
        tasks,
        perSecond,
        200,
      );
      const truth = await simulateRun({ times: draw(name, tasks), perSecond, poll: 'auto' });
      expect(Math.abs(1 - (1 + forecast.pollsPerLabel) / (1 + truth.pollsPerLabel))).toBeLessThan(0.1);
      expect(Math.abs(1 - forecast.seconds / truth.seconds)).toBeLessThan(0.1);
    },
    60_000,
  );
});
