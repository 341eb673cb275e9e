import { expect, test } from 'vitest';
import { createRedisClock } from '../../src/consumers/redis-clock.js';

test('what began before the clock was set has no age; what begins later has', () => {
  let own = 0;
  const clock = createRedisClock(() => own);
  const start = Date.now();
  clock.sync(start);
  const before = clock.now();
  expect(clock.hasAge(before)).toBe(true);
  own += 1_000;
  clock.sync(start + 1_500);
  expect(clock.hasAge(before)).toBe(true);
  for (const set of [300_000, -300_000]) {
    const began = clock.now();
    own += 1_000;
    clock.sync(began + set);
    expect(clock.hasAge(began)).toBe(false);
    expect(clock.hasAge(clock.now())).toBe(true);
  }
});

test.each([3_600_000, -3_600_000])("a time is one of Redis' clock, with this host's %d ms off it", (off) => {
  const clock = createRedisClock();
  clock.sync(Date.now() - off);
  expect(Math.abs(clock.now() - (Date.now() - off))).toBeLessThan(1_000);
});
