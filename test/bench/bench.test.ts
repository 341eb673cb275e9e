import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { chartsSvg } from '../../bench/growth/chart.js';
import { inLab, type Lab, manifestOf, removeManifests } from '../../bench/lab/lab.js';
import { startFloor, succeeded } from '../../bench/lab/program.js';
import { commandStats } from '../../bench/lab/redis-figures.js';
import { inTurn, medians } from '../../bench/lab/stats.js';
import { type Costs, sizeOf } from '../../bench/report/sizing.js';

const LINES = 40;
const COSTS: Costs = {
  processCpuUs: 500,
  redisCpuUs: 50,
  callsPerLine: 2,
  bytesPerWaitingLine: 100,
  bytesPerTask: 200,
};

afterAll(removeManifests);

const submit = async (lab: Lab, key: string) => {
  const task = { type: 'sentiment', data_url: 'https://a.example/1', idempotency_key: key };
  const answer = await fetch(`${lab.gatewayUrl}/v1/tasks`, { method: 'POST', body: JSON.stringify(task) });
  return { status: answer.status, body: (await answer.json()) as { task_id: string; idempotent?: boolean } };
};

test('the Gateway of the benches buys nothing twice for a key that comes again', async () => {
  await inLab({}, async (lab) => {
    const first = await submit(lab, 'a');
    const again = await submit(lab, 'a');
    expect(first).toMatchObject({ status: 202, body: { task_id: expect.stringMatching(/^tsk_/) } });
    expect(again).toMatchObject({ status: 200, body: { task_id: first.body.task_id, idempotent: true } });
    expect(await lab.stats()).toMatchObject({ tasks: 1, replays: 1 });
  });
});

test('it refuses each nth new line three times when asked to, and no other', async () => {
  await inLab({ troubleEvery: 2, log: true }, async (lab) => {
    const statuses = async (key: string) => {
      const answers = [];
      for (let n = 0; n < 4; n += 1) answers.push((await submit(lab, key)).status);
      return answers;
    };
    expect(await statuses('a')).toEqual([503, 503, 503, 202]);
    expect(await statuses('b')).toEqual([202, 200, 200, 200]);
    expect((await lab.tasks()).map(({ refused }) => refused)).toEqual([true, false]);
  });
});

test.each(['bullmq', 'undici-loop', 'fetch-loop'])('the floor %s ends each line once', async (name) => {
  const { file } = await manifestOf(LINES);
  await inLab({ settleMs: 20 }, async (lab) => {
    const { cpuUs } = await succeeded(
      startFloor(lab, name, file, 'rows.jsonl', lab.gatewayUrl, lab.redisPort, LINES),
    );
    const rows = (await readFile(path.join(lab.dir, 'rows.jsonl'), 'utf8')).trim().split('\n');
    const lines = rows.map((row) => (JSON.parse(row) as { line: number }).line);
    expect(lines.sort((a, b) => a - b)).toEqual(Array.from({ length: LINES }, (_, at) => at + 1));
    expect(await lab.stats()).toMatchObject({ tasks: LINES, replays: 0, labels: LINES });
    expect(cpuUs).toBeGreaterThan(0);
  });
});

test('the floor of producing puts a job per line, and what Redis did is counted without the bench’s own questions', async () => {
  await inLab({}, async (lab) => {
    await succeeded(startFloor(lab, 'add-bulk', 500, lab.redisPort));
    expect(await lab.redis.llen('bull:submit:wait')).toBe(500);
    const commands = await commandStats(lab.redis);
    expect(commands.find(({ command }) => command === 'hmset')?.calls).toBe(500);
    expect(commands.map(({ command }) => command)).not.toContain('info');
  });
});

test('contenders are measured once a round, in an order that turns', async () => {
  const order: string[] = [];
  const one = (name: string) => async () => ({ n: order.push(name) });
  const measured = await inTurn(3, { a: one('a'), b: one('b'), c: one('c') });
  expect(order.join('')).toBe('abcbcacab');
  expect(medians(measured.a)).toEqual({ n: 6 });
});

test('a size follows the narrowest of the limits', () => {
  const demand = { lines: 1_000_000, callsPerS: 200, settleS: 10, latencyS: 0.2 };
  expect(sizeOf(demand, COSTS)).toMatchObject({ linesPerS: 100, inFlight: 1_000, processes: 1 });
  // A window of 100,000 tasks that take an hour each.
  expect(sizeOf({ ...demand, callsPerS: 20_000, settleS: 3_600 }, COSTS).linesPerS).toBeCloseTo(27.8, 1);
  // 70% of one Redis.
  expect(sizeOf({ ...demand, callsPerS: 1e6, settleS: 1 }, COSTS)).toMatchObject({
    linesPerS: 14_000,
    redisCores: 0.7,
  });
});

test('a chart leaves out what was not measured and writes names as text', () => {
  const svg = chartsSvg([
    { title: 'a < b & c', labels: ['1', '2', '3'], series: [{ name: 'x', values: [100, null, 300] }] },
  ]);
  expect(svg).toContain('a &lt; b &amp; c');
  expect(svg.match(/<circle/g)).toHaveLength(2);
});
