import { expect, onTestFinished, test, vi } from 'vitest';
import { LONGEST_TIMER_MS, wait } from '../../src/gateway/wait.js';

test('a wait that is longer than a timer can be is not over at once', async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  let isOver = false;
  const waiting = wait(2 ** 40, []).then(() => {
    isOver = true;
  });
  await vi.advanceTimersByTimeAsync(3_600_000);
  expect(isOver).toBe(false);
  await vi.advanceTimersByTimeAsync(LONGEST_TIMER_MS);
  await waiting;
});
