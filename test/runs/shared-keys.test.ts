import { expect, test } from 'vitest';
import { runKeys } from '../../src/runs/keys.js';
import { mayBeBoughtHere, noteBoughtHere, ownersOfKeys } from '../../src/runs/shared-keys.js';
import { endLine, failedRow, settledRow } from '../pipeline/endings.js';
import { pipelineTo } from '../pipeline/harness.js';

const KEY = 'content-of-both-lines';
const TASK = { key: KEY, id: 'tsk_1' };
const LINE = { source: 0, line: 1, key: KEY };

async function run() {
  const { redis, prefix } = await pipelineTo('http://127.0.0.1:1');
  const keys = runKeys(prefix, 'r');
  const cost = async () => Number((await redis.hget(keys.counts, 'cost_sats')) ?? 0);
  const settle = (line: number, task = TASK, costSats: number | null = 975) =>
    endLine(redis, keys, line, settledRow({ line }, { costSats, sharedTask: task }));
  return { redis, keys, cost, settle };
}

test('the cost of a task is counted with the first line that settles, whichever has the key', async () => {
  const { redis, keys, cost, settle } = await run();
  const claims = [1, 2].map((line) => ({ line, key: KEY, asks: 'a' }));
  expect(await ownersOfKeys(redis, keys, 0, claims)).toEqual([null, { source: 0, line: 1, asks: 'a' }]);
  // As of a run that was cancelled: the line that came first was not submitted, and the second had bought the task.
  await endLine(redis, keys, 1, failedRow({ line: 1 }, 'cancelled'));
  await settle(2);
  expect(await cost()).toBe(975);
  // `retry` makes it a line again, which finds the task there.
  await redis.setbit(keys.ended(0), 0, 0);
  await settle(1);
  expect(await cost()).toBe(975);
  // The Gateway had forgotten the task, and was asked for another.
  await settle(3, { key: KEY, id: 'tsk_2' });
  expect(await cost()).toBe(1950);
  expect(await ownersOfKeys(redis, keys, 0, claims)).toEqual([null, { source: 0, line: 1, asks: 'a' }]);
});

test('a line whose result tells no cost does not hide that of another line with its task', async () => {
  const { redis, keys, cost, settle } = await run();
  const unpriced = async () => Number((await redis.hget(keys.counts, 'unpriced')) ?? 0);
  for (const line of [1, 2, 3]) await redis.setbit(keys.admitted(0), line - 1, 1);
  await settle(1, TASK, null);
  await settle(2, TASK, null);
  expect([await cost(), await unpriced()]).toEqual([0, 1]);
  await settle(3);
  await settle(4);
  await settle(5, TASK, null);
  expect([await cost(), await unpriced()]).toEqual([975, 0]);
});

test('a task that this run has bought is told from one that an earlier run had', async () => {
  const { redis, keys } = await run();
  expect(await mayBeBoughtHere(redis, keys, LINE)).toBe(false);
  await ownersOfKeys(redis, keys, 0, [{ line: 1, key: KEY, asks: 'a' }]);
  expect(await mayBeBoughtHere(redis, keys, LINE)).toBe(false);
  await noteBoughtHere(redis, keys, KEY);
  expect(await mayBeBoughtHere(redis, keys, LINE)).toBe(true);
});

test('the task of a line that two processes have may be bought by the other one', async () => {
  const { redis, keys } = await run();
  expect(await mayBeBoughtHere(redis, keys, LINE)).toBe(false);
  await redis.setbit(keys.contested(0), 0, 1);
  expect(await mayBeBoughtHere(redis, keys, LINE)).toBe(true);
});
