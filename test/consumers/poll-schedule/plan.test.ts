import { describe, expect, test } from 'vitest';
import { nextPollMs } from '../../../src/consumers/poll-schedule/documented-schedule.js';
import { choosePlan, costOf, gapMs, type PlanCost } from '../../../src/consumers/poll-schedule/plan.js';
import {
  countPending,
  countSettled,
  quantile,
  type SettleObservations,
  settleTimeMs,
  settleTimes,
} from '../../../src/runs/settle-times.js';
import { DISTRIBUTIONS, type DistributionName, draw, exactly, learned } from './distributions.js';
import { simulateRun } from './simulated-run.js';

const GAPS = { leastMs: 5_000, greatestMs: 60_000 };
const NAMES = Object.keys(DISTRIBUTIONS) as DistributionName[];
const LOGNORMAL: DistributionName = 'lognormal, median 30 s, p99 300 s';

/** A plan made from 1,000 tasks, held against 10,000 others. */
function tried(name: DistributionName, price: 'scarce' | 'spare') {
  const truth = exactly(draw(name, 4_000, `${name} truth`));
  return { truth, cost: costOf(choosePlan(learned(draw(name, 1_000)), price, GAPS), truth, GAPS) };
}

test('scarce: at most 1.3 polls per label where the documented schedule needs 3.5', () => {
  const { truth, cost } = tried(LOGNORMAL, 'scarce');
  expect(cost.pollsPerLabel).toBeLessThan(1.3);
  // Nor later than that buys: what is only supposed of the slowest tasks does not count for much.
  expect(cost.pollsPerLabel).toBeGreaterThan(1.15);
  const documented = truth.times.reduce((sum, { ms }) => {
    let [polls, age] = [0, 0];
    while (age < ms) {
      age += nextPollMs(age, { delayMs: 5_000, maxDelayMs: 60_000 });
      polls += 1;
    }
    return sum + polls;
  }, 0);
  expect(documented / truth.total).toBeGreaterThan(3.2);
});

test('spare: median lateness of at most a quarter of the settle time, at no more than 2.9 polls', () => {
  const { cost } = tried(LOGNORMAL, 'spare');
  expect(cost.medianShare).toBeLessThanOrEqual(0.25);
  expect(cost.pollsPerLabel).toBeLessThanOrEqual(2.9);
});

describe.each(NAMES)('%s', (name) => {
  test.each([
    ['scarce', ({ latenessMs }: PlanCost) => latenessMs],
    ['spare', ({ medianShare }: PlanCost) => medianShare],
  ] as const)(
    '%s: within a tenth of the best multiplicative schedule that is as early',
    (price, lateness) => {
      const { truth, cost } = tried(name, price);
      let best = Number.POSITIVE_INFINITY;
      for (let share = 0.02; share < 1; share += 0.03)
        for (let factor = 1.1; factor <= 3; factor += 0.1) {
          const other = costOf({ firstMs: quantile(truth, share), factor }, truth, GAPS);
          if (lateness(other) <= lateness(cost)) best = Math.min(best, other.pollsPerLabel);
        }
      expect(cost.pollsPerLabel).toBeLessThanOrEqual(best * 1.1);
    },
  );

  test('no task is left alone: a gap is never longer than the greatest, the first excepted', () => {
    for (const price of ['scarce', 'spare'] as const) {
      const plan = choosePlan(learned(draw(name, 1_000)), price, GAPS);
      for (let age = plan.firstMs; age < 3_600_000; age += gapMs(plan, age, GAPS)) {
        expect(gapMs(plan, age, GAPS)).toBeGreaterThanOrEqual(GAPS.leastMs);
        expect(gapMs(plan, age, GAPS)).toBeLessThanOrEqual(GAPS.greatestMs);
      }
    }
  });
});

test("a settle time is the Gateway's own, in any of its spellings, unless that cannot be", () => {
  const result = (created_at: string | number, settled_at: string | number) =>
    ({ task_id: 't', status: 'settled', created_at, settled_at }) as Parameters<typeof settleTimeMs>[0];
  expect(settleTimeMs(result('2026-01-01T00:00:00Z', '2026-01-01T00:00:30.5Z'), 0, 40_000)).toBe(30_500);
  expect(settleTimeMs(result(1_767_225_600, 1_767_225_630), 0, 40_000)).toBe(30_000);
  expect(settleTimeMs(result(1_767_225_600_000, 1_767_225_630_000), 0, 40_000)).toBe(30_000);
  for (const odd of [
    result('?', 'never'),
    result('2026-01-01T00:01:00Z', '2026-01-01T00:00:00Z'),
    result(0, 1_767_225_600),
  ]) {
    const supposed = settleTimeMs(odd, 35_000, 40_000);
    expect(supposed).toBeGreaterThanOrEqual(35_000);
    expect(supposed).toBeLessThanOrEqual(40_000);
  }
});

test('the first to settle are the quick ones: what is still in progress is learned from as well', () => {
  const times = draw(LOGNORMAL, 4_000);
  const sightings: SettleObservations = new Map();
  for (const ms of times) {
    let seen = 0;
    for (const age of [5_000, 15_000, 35_000]) {
      if (ms <= age) {
        countSettled(sightings, seen, ms);
        break;
      }
      countPending(sightings, seen, age);
      seen = age;
    }
  }
  const [half, soFar] = [quantile(exactly(times), 0.5), settleTimes(sightings)];
  expect(quantile(soFar, 0.5) / half).toBeGreaterThan(0.9);
  expect(quantile(soFar, 0.5) / half).toBeLessThan(1.1);
  // Of what nobody has seen a first poll makes no use.
  expect(choosePlan(soFar, 'spare', GAPS).firstMs).toBeLessThan(40_000);
  // One documented gap more where polls are dear: by then those that are watched will have told.
  expect(choosePlan(soFar, 'scarce', GAPS).firstMs).toBeLessThan(80_000);
});

describe('whole runs on virtual time', { timeout: 180_000 }, () => {
  test('scarce: at most 1.3 polls for all lines, the first and the last among them', async () => {
    const run = { times: draw(LOGNORMAL, 12_000), perSecond: 60, poll: 'auto' } as const;
    expect((await simulateRun(run)).pollsPerLabel).toBeLessThan(1.3);
  });

  test('scarce: polls are no later than the in-flight window allows', async () => {
    const run = { times: draw(LOGNORMAL, 6_000), perSecond: 60, maxInFlight: 2_400 };
    const [auto, fixed] = [
      await simulateRun({ ...run, poll: 'auto' }),
      await simulateRun({ ...run, poll: 'fixed' }),
    ];
    expect(auto.nearlyAll).toBeLessThan(fixed.nearlyAll);
    expect(auto.pollsPerLabel).toBeLessThan(fixed.pollsPerLabel * 1.05);
  });

  const SPARE = { times: draw(LOGNORMAL, 10_000), perSecond: 500, feedPerSecond: 40, poll: 'auto' } as const;
  test('spare: a quarter of the settle time late at 2.9 polls', async () => {
    const { pollsPerLabel, medianShare } = await simulateRun(SPARE);
    expect(pollsPerLabel).toBeLessThanOrEqual(2.9);
    expect(medianShare).toBeLessThanOrEqual(0.25);
  });

  test('spare: little worse where answers do not tell when their tasks settled', async () => {
    const { middlePolls, medianShare } = await simulateRun({ ...SPARE, told: false });
    expect(middlePolls).toBeLessThan(3.2);
    expect(medianShare).toBeLessThan(0.32);
  });

  test('a change of pace in mid-run: earlier than the documented schedule, and little dearer', async () => {
    const times = draw('lognormal, median 10 s, from mid-run 60 s', 6_000);
    const run = { times, perSecond: 200, feedPerSecond: 20 };
    const [auto, fixed] = [
      await simulateRun({ ...run, poll: 'auto' }),
      await simulateRun({ ...run, poll: 'fixed' }),
    ];
    expect(auto.pollsPerLabel).toBeLessThan(fixed.pollsPerLabel * 1.4);
    expect(auto.medianShare).toBeLessThan(fixed.medianShare);
  });

  test.each([LOGNORMAL, 'bimodal, 15 to 20 s or 5 to 6 min'] as const)(
    'the end is stretched by no more than 30 s or a tenth: %s',
    async (name) => {
      const run = {
        times: draw(name, 4_000),
        perSecond: 200,
        pollMaxDelayMs: 900_000,
        poll: 'auto',
      } as const;
      const { seconds, stretch } = await simulateRun(run);
      expect(stretch).toBeLessThan(Math.max(30, 0.1 * seconds) + 1);
    },
  );
});
