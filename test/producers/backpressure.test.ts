import { expect, test } from 'vitest';
import { createBackpressure, type Depth } from '../../src/producers/backpressure.js';

const POLICY = { maxQueued: 100, partSizeBytes: 1_000 };
const EMPTY: Depth = { queued: 0, unflushedBytes: 0, state: 'running' };

test.each<[what: string, depth: Partial<Depth>, bytes: number, room: number | 'none']>([
  ['one line fewer than may wait', { queued: 99 }, 0, 1],
  ['as many lines as may wait', { queued: 100 }, 0, 'none'],
  ['64 MiB of waiting lines, however few', { queued: 1 }, 64 << 20, 'none'],
  ['fewer unwritten rows than two parts hold', { unflushedBytes: 1_999 }, 0, 100],
  ['as many as two parts hold', { unflushedBytes: 2_000 }, 0, 'none'],
  ['fewer than a part holds, in a blocked run', { state: 'blocked', unflushedBytes: 999 }, 0, 100],
  ['as many as a part holds, in a blocked run', { state: 'blocked', unflushedBytes: 1_000 }, 0, 'none'],
])('a producer that has added lines and finds %s', async (_what, depth, bytes, room) => {
  let looks = 0;
  const backpressure = createBackpressure(
    async () => {
      looks += 1;
      return EMPTY;
    },
    POLICY,
    new AbortController().signal,
  );
  backpressure.added(1, bytes, { ...EMPTY, ...depth });
  // Without room the producer reads the depth again, until there is some.
  expect(await backpressure.wait()).toBe(room === 'none' ? POLICY.maxQueued : room);
  expect(looks).toBe(room === 'none' ? 1 : 0);
});

test('the end of the run ends the wait for room', async () => {
  const stop = new AbortController();
  const full = { ...EMPTY, queued: 100 };
  const backpressure = createBackpressure(async () => full, POLICY, stop.signal);
  backpressure.added(100, 0, full);
  const waiting = backpressure.wait();
  stop.abort();
  expect(await waiting).toBe(0);
});
