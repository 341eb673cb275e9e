import { expect, test } from 'vitest';
import { createTaskCapWatch } from '../../src/consumers/limits-reached.js';
import { liveConsumersIn } from '../../src/runs/consumer-heartbeats.js';
import type { RunReading } from '../../src/runs/read-status.js';

/** A run of ten lines and a budget of ten, all of it bought; five jobs to submit are in the hands of a killed process. */
const reading = (status: object, submitting = 0) =>
  ({
    record: { state: 'running', policy: { budget: 10 } },
    status: { lines: 10, produced: true, failed: 0, unchanged: 0, ...status },
    jobs: { submit: 5, submitting: 5, poll: 3 },
    present: { submitting },
    bought: 10,
  }) as unknown as RunReading;

test('a budget is not spent for jobs of lines that were bought or have ended before their process was killed', () => {
  const looks = (status: object, submitting: number[] = []) => {
    let now = 0;
    const isSpent = createTaskCapWatch(() => now);
    return [1_000, 2_000, 3_000, 4_000].map((time, n) => {
      now = time;
      return isSpent(reading(status, submitting[n]));
    });
  };
  expect(looks({ settled: 7, in_flight: 3 })).toEqual([false, false, false, false]);
  const wait = { settled: 7, in_flight: 3, lines: 11 };
  expect(looks(wait)).toEqual([false, false, false, true]);
  // A call that is out may give back what was reserved for it: it is quiet only from then on.
  expect(looks(wait, [0, 0, 1, 0])).toEqual([false, false, false, false]);
});

test('lines that a killed process was submitting count until its jobs are taken over', () => {
  const fields = { alive: '0:60000:4.0:1', killed: '0:50000:4.0:2' };
  expect(liveConsumersIn(fields, 60_500)).toEqual({ consumers: 1, callsPerSecond: 4, submitting: 3 });
  expect(liveConsumersIn(fields, 80_000)).toEqual({ consumers: 0, callsPerSecond: 0, submitting: 1 });
});
