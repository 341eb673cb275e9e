import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { CHUNK_LINES, decodeChunk, type PolledLine } from '../../src/queues/chunk.js';
import { addPolls, createDealer, groupByDue } from '../../src/queues/deal.js';
import { openQueues } from '../../src/queues/queues.js';
import { runKeys } from '../../src/runs/keys.js';
import { pipelineTo } from '../pipeline/harness.js';

const NOW = 1_800_000_000_000;

describe('lines grouped by when they are due', () => {
  const dues = fc.array(
    fc.oneof(
      fc.integer({ min: -1_000, max: 3_000 }),
      fc.integer({ min: 0, max: 600_000 }),
      // Backoffs are whole, other waits are not.
      fc.double({ min: 0, max: 10_000, noNaN: true }),
    ),
  );

  test('each is in one group, none is early, and none waits for a neighbour that is far from it', () => {
    fc.assert(
      fc.property(dues, (delays) => {
        const lines = delays.map((delay, line) => ({ line: { line, due: NOW + delay }, due: NOW + delay }));
        const groups = groupByDue(lines, NOW);
        const all = groups.flatMap((group) => group.lines.map(({ line }) => line));
        expect(all.sort((a, b) => a - b)).toEqual(delays.map((_, line) => line));
        for (const { lines: together, due } of groups) {
          const times = together.map((line) => line.due);
          const first = Math.min(...times);
          // Due with the last, so no poll is made too soon for any of them.
          expect(due).toBe(Math.max(...times));
          expect(due - first).toBeLessThanOrEqual(Math.max(100, 0.05 * (first - NOW)) + 1e-3);
        }
        const order = groups.map(({ due }) => due);
        expect(order).toEqual([...order].sort((a, b) => a - b));
      }),
    );
  });

  test('those that lie close share a group', () => {
    const due = (...delays: number[]) =>
      groupByDue(
        delays.map((delay) => ({ line: delay, due: NOW + delay })),
        NOW,
      ).map(({ lines }) => lines);
    expect(due(350, 300, 1_000, 399)).toEqual([[300, 350, 399], [1_000]]);
    // A twentieth of a long wait.
    expect(due(60_000, 62_900, 63_100)).toEqual([[60_000, 62_900], [63_100]]);
    expect(due()).toEqual([]);
  });
});

describe('tasks put into the poll queue', () => {
  async function open() {
    const { redis, prefix, connection } = await pipelineTo('http://127.0.0.1:1');
    const keys = runKeys(prefix, 'r');
    const queues = openQueues(keys, connection, () => undefined);
    onTestFinished(() => queues.close());
    const jobs = async () => {
      const all = await queues.poll.getJobs(['delayed']);
      return all.map(({ id, data, delay }) => ({ id, delay, ...decodeChunk<PolledLine>(data) }));
    };
    return { redis, keys, queues, jobs };
  }
  const task = (line: number): PolledLine => ({ line, text: '{}', task: `t${line}`, at: Date.now() });

  test('share a job per source and due time, of at most so many lines', async () => {
    const { redis, keys, queues, jobs } = await open();
    const dealer = createDealer(redis, keys, queues);
    const soon = Date.now() + 60_000;
    await Promise.all([
      ...Array.from({ length: CHUNK_LINES + 20 }, (_, n) => dealer.deal(0, task(n + 1), soon + (n % 50))),
      dealer.deal(0, task(500), soon + 60_000),
      dealer.deal(1, task(1), soon),
    ]);
    const sizes = (await jobs()).map(({ source, lines }) => [source, lines.length]);
    expect(sizes.sort((a = [], b = []) => (a[0] ?? 0) - (b[0] ?? 0) || (a[1] ?? 0) - (b[1] ?? 0))).toEqual([
      [0, 1],
      [0, 20],
      [0, CHUNK_LINES],
      [1, 1],
    ]);
  });

  test('are there after a while when Redis is full: they are paid for', async () => {
    const { redis, keys, queues, jobs } = await open();
    const addBulk = queues.poll.addBulk.bind(queues.poll);
    let refusals = 0;
    queues.poll.addBulk = async (...args) => {
      refusals += 1;
      if (refusals === 1) throw new Error('OOM command not allowed when used memory > maxmemory.');
      return addBulk(...args);
    };
    await createDealer(redis, keys, queues).deal(0, task(1), Date.now() + 60_000);
    expect([refusals, (await jobs()).map(({ lines }) => lines.map((line) => line.task))]).toEqual([
      2,
      [['t1']],
    ]);
  });

  test('are never swallowed by a job that is there already', async () => {
    const { redis, keys, queues, jobs } = await open();
    const due = Date.now() + 60_000;
    await addPolls(redis, keys, queues, 0, [{ line: task(1), due }]);
    await addPolls(redis, keys, queues, 0, [{ line: { ...task(1), task: 'another' }, due }]);
    expect((await jobs()).flatMap(({ lines }) => lines.map((line) => line.task)).sort()).toEqual([
      'another',
      't1',
    ]);
  });
});
