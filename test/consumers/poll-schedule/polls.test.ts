import { expect, test } from 'vitest';
import { createPolls } from '../../../src/consumers/poll-schedule/polls.js';
import type { SettledResult } from '../../../src/gateway/types.js';
import { runKeys } from '../../../src/runs/keys.js';
import type { RunReading } from '../../../src/runs/read-status.js';
import { createShareSettleTimes } from '../../../src/runs/share-settle-times.js';
import { pipelineTo, runPolicyOf, tempDir } from '../../pipeline/harness.js';
import { draw } from './distributions.js';

const LOGNORMAL = 'lognormal, median 30 s, p99 300 s';

async function run(policy: Partial<RunReading['record']['policy']> = {}) {
  const { redis, prefix } = await pipelineTo('http://127.0.0.1:1');
  const defaults = {
    ...runPolicyOf(await tempDir()),
    pollDelayMs: 5_000,
    pollMaxDelayMs: 60_000,
    maxInFlight: 100_000,
  };
  const reading = (status: object, tasksDue = 0) =>
    ({
      record: { policy: { ...defaults, ...policy }, startedAt: new Date().toISOString() },
      status: { produced: false, queued: 20_000, in_flight: 1_000, ...status },
      tasksDue,
      present: { callsPerSecond: 0 },
    }) as unknown as RunReading;
  const keys = runKeys(prefix, 'r');
  const open = () =>
    createPolls({
      policy: reading({}).record.policy,
      shareSettleTimes: createShareSettleTimes(redis, keys),
      advancePolls: async () => undefined,
      concurrency: 200,
    });
  return { reading, open };
}

/** Results that tell when their tasks were made and settled. */
const found = (polls: ReturnType<typeof createPolls>, times: number[]) => {
  const made = Date.parse('2026-01-01T00:00:00Z');
  for (const ms of times)
    polls.observeSettled({ seen: 0 }, { created_at: made, settled_at: made + ms } as SettledResult, ms);
};

test('starts by the documentation, learns from all processes, and polls late only while submissions wait', async () => {
  const { reading, open } = await run();
  const [one, two] = [open(), open()];
  found(one, draw(LOGNORMAL, 60));
  await one.look(reading({}));
  expect([one.nextPollDelayMs(0), one.nextPollDelayMs(5_000)]).toEqual([5_000, 10_000]);
  found(two, draw(LOGNORMAL, 1_000, 'more'));
  await two.look(reading({}));
  await one.look(reading({}));
  const late = one.nextPollDelayMs(0);
  expect(late).toBeGreaterThan(60_000);
  expect(two.nextPollDelayMs(0)).toBe(late);
  // Nothing waits any more; or what waits does so for the window of tasks in flight.
  for (const status of [{ queued: 10 }, { in_flight: 90_000 }]) {
    await one.look(reading(status));
    expect(one.nextPollDelayMs(0)).toBeLessThan(45_000);
    await one.look(reading({}));
    expect(one.nextPollDelayMs(0)).toBe(late);
  }
  // Nothing waits for submission, but more polls than can be made.
  await one.look(reading({ queued: 0 }, 1_000));
  expect(one.nextPollDelayMs(0)).toBe(late);
});

test('the end of a run is not stretched by more than half a minute', async () => {
  const { reading, open } = await run({ pollMaxDelayMs: 600_000 });
  const polls = open();
  found(polls, draw(LOGNORMAL, 1_000));
  await polls.look(reading({}));
  expect(polls.nextPollDelayMs(3_600_000)).toBe(600_000);
  await polls.look(reading({ produced: true, queued: 0 }));
  expect(polls.nextPollDelayMs(3_600_000)).toBe(30_000);
});

test('a change of pace is followed', async () => {
  const { reading, open } = await run();
  const polls = open();
  found(
    polls,
    Array.from({ length: 4_000 }, () => 200_000),
  );
  await polls.look(reading({}));
  expect(polls.nextPollDelayMs(0)).toBeGreaterThan(180_000);
  for (let n = 0; n < 8; n += 1) {
    found(
      polls,
      Array.from({ length: 2_000 }, () => 20_000),
    );
    await polls.look(reading({ queued: n % 2 === 0 ? 20_000 : 0 }));
  }
  await polls.look(reading({}));
  expect(polls.nextPollDelayMs(0)).toBeLessThan(25_000);
});

test('fixed gaps learn nothing', async () => {
  const { reading, open } = await run({ poll: 'fixed' });
  const polls = open();
  found(polls, draw(LOGNORMAL, 1_000));
  await polls.look(reading({}));
  expect(polls.nextPollDelayMs(0)).toBe(5_000);
  expect(polls.nextPollDelayMs(200_000)).toBeLessThanOrEqual(60_000);
});

test('no poll is put off past the result timeout', async () => {
  const { reading, open } = await run({ resultTimeoutMs: 60_000 });
  const polls = open();
  found(polls, draw(LOGNORMAL, 1_000));
  await polls.look(reading({}));
  expect(polls.nextPollDelayMs(0)).toBe(60_000);
  expect(polls.nextPollDelayMs(59_000)).toBe(1_000);
  expect(polls.webhookFallbackDelayMs(0)).toBe(60_000);
});

test('a task that a delivery will tell of is polled rarely, and not before tasks have surely settled', async () => {
  const { reading, open } = await run();
  const polls = open();
  expect([polls.webhookFallbackDelayMs(0), polls.webhookFallbackDelayMs(120_000)]).toEqual([
    120_000, 240_000,
  ]);
  found(polls, draw(LOGNORMAL, 1_000));
  await polls.look(reading({}));
  // Half again the 99th percentile, 300 s.
  expect(polls.webhookFallbackDelayMs(0)).toBeGreaterThan(350_000);
  expect(polls.webhookFallbackDelayMs(0)).toBeLessThan(600_000);
});

test("a task from before Redis' clock was set back is polled as a new one would be, not 5 minutes later", async () => {
  const { reading, open } = await run();
  const polls = open();
  expect(polls.nextPollDelayMs(-300_000)).toBe(polls.nextPollDelayMs(0));
  expect(polls.webhookFallbackDelayMs(-300_000)).toBe(polls.webhookFallbackDelayMs(0));
  found(polls, draw(LOGNORMAL, 1_000));
  await polls.look(reading({}));
  expect(polls.nextPollDelayMs(-300_000)).toBe(polls.nextPollDelayMs(0));
  expect(polls.nextPollDelayMs(-300_000)).toBeLessThanOrEqual(120_000);
  // One that wakes is as old as it was to be: it is polled, and does not sleep until the clock is back.
  expect(polls.extraSleepMs(0)).not.toBeNull();
  expect(polls.extraSleepMs(-300_000)).toBeNull();
  expect(polls.observePending({ seen: 0 }, -300_000)).toBe(false);
});

test("ages that are not the tasks' own, as of a process that stood still, do not stretch the safety net of deliveries", async () => {
  const { reading, open } = await run({ pollDelayMs: 50 });
  const polls = open();
  found(polls, [...Array<number>(950).fill(1_000), ...Array<number>(50).fill(300_000)]);
  await polls.look(reading({ produced: true, queued: 0, in_flight: 10 }));
  expect(polls.webhookFallbackDelayMs(0)).toBeGreaterThan(1_000);
  expect(polls.webhookFallbackDelayMs(0)).toBeLessThan(10_000);
});
