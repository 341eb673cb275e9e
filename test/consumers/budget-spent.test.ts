import { expect, test } from 'vitest';
import { createBudgetWatch } from '../../src/consumers/budget-spent.js';
import type { RunReading } from '../../src/runs/read-status.js';

/** A run of ten lines and a budget of ten, all of it bought; five jobs to submit are in the hands of a killed process. */
const reading = (status: object) =>
  ({
    record: { state: 'running', policy: { budget: 10 } },
    status: { lines: 10, produced: true, failed: 0, ...status },
    jobs: { submit: 5, submitting: 5, poll: 3, pollDue: 0 },
    bought: 10,
  }) as unknown as RunReading;

test('a budget is not spent for jobs of lines that were bought or have ended before their process was killed', () => {
  const looks = (status: object) => {
    let now = 0;
    const isSpent = createBudgetWatch(() => now);
    return [500, 1_000, 1_500].map((time) => {
      now = time;
      return isSpent(reading(status));
    });
  };
  expect(looks({ settled: 7, in_flight: 3 })).toEqual([false, false, false]);
  expect(looks({ settled: 7, in_flight: 3, lines: 11 })).toEqual([false, false, true]);
});
