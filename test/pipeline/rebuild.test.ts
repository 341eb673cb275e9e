import { pino } from 'pino';
import { expect, test } from 'vitest';
import type { Manifest } from '../../src/manifest/index.js';
import { prepareRun } from '../../src/pipeline/prepare.js';
import { openSink, type Sink } from '../../src/results/sink.js';
import { runKeys } from '../../src/runs/keys.js';
import { readRun } from '../../src/runs/read-status.js';
import { admit } from '../../src/runs/scripts.js';
import { readShown } from '../../src/web/pages/read-runs.js';
import { pipelineTo, runPolicyOf, tempDir } from './harness.js';

async function* rows(...all: object[]): AsyncIterable<Buffer> {
  yield Buffer.from(all.map((row) => `${JSON.stringify(row)}\n`).join(''));
}

const result = (line: number) => ({
  line,
  source: null,
  task_id: `t${line}`,
  consensus_label: 'cat',
  confidence: 0.92,
  cost_sats: 2,
});
const failure = (line: number, task: object = {}) => ({
  line,
  source: null,
  stage: 'poll',
  error: { code: 'result_timeout', message: 'late' },
  ...task,
});

/** One source, and gold lines where they are given. */
const manifestOf = (): Manifest => ({
  uri: 'file:///m.jsonl',
  identity: 'file:///m.jsonl',
  version: 'v',
  bytes: 1,
  sources: [
    {
      ...{ index: 0, uri: 'file:///m.jsonl', name: 'm.jsonl', version: 'v', size: 1 },
      ...{ compression: null, seekable: true },
    },
  ],
});

test('what became of gold lines and of second tasks is counted from their rows, each outcome', async () => {
  const dir = await tempDir();
  const { redis, prefix } = await pipelineTo('http://127.0.0.1:1');
  const sink = openSink(dir);
  const first = { task_id: 'first', cost_sats: 3 };
  const own = { gold: null, escalation: null, escalated_from: null };
  await sink.writePart(
    'results-r-00001.jsonl',
    rows(
      { ...result(1), ...own },
      { ...result(2), ...own, escalation: 'changed', escalated_from: first },
      { ...result(3), ...own, escalation: 'same', escalated_from: first },
      { ...result(4), ...own, escalation: 'failed' },
      { ...result(5), ...own, escalation: 'budget' },
      { ...result(6), ...own, escalation: 'highest' },
      { ...result(7), line: 1, ...own, source: 'gold', gold: 'cat' },
      {
        ...result(8),
        line: 2,
        ...own,
        source: 'gold',
        gold: 'dog',
        escalation: 'same',
        escalated_from: first,
      },
    ),
  );
  const failed = { ...failure(3, { task_id: 't' }), source: 'gold', gold: 'cat' };
  await sink.writePart('failures-r-00001.jsonl', rows(failed));
  const digest = 'd';
  const request = {
    manifest: manifestOf(),
    task: {
      ...{ taskType: 'x', labelSpec: null, consensusThreshold: null, key: 'line', gold: digest },
      escalate: 'confidence<0.7',
    },
    gold: { digest, lines: [1, 2, 3].map((n) => [n, '{"gold":"cat"}'] as const) },
    policy: runPolicyOf(dir),
    ...{ gateway: 'g', keyFingerprint: 'f', runId: 'r', out: () => dir, openSink: () => sink },
  };
  await prepareRun(redis, prefix, request, pino({ level: 'silent' }));
  const reading = await readRun(redis, prefix, 'r');
  expect(reading?.status).toMatchObject({
    ...{ settled: 8, failed: 1, cost_sats: 8 * 2 + 3 * 3 },
    gold: { lines: 3, agreed: 1, disagreed: 1, failed: 1, share: 0.5 },
    escalated: { lines: 4, changed: 1, failed: 1, not_asked: 2, cost_sats: 3 * 2 },
  });
  // Each row's task, and the first ones of those that were asked again.
  expect(reading?.bought).toBe(9 + 3);
});

test('a rebuild from parts that is cut off starts over: counts are right, and no more is bought than --budget allows', async () => {
  const dir = await tempDir();
  const { redis, prefix } = await pipelineTo('http://127.0.0.1:1');
  const sink = openSink(dir);
  await sink.writePart('results-r-00001.jsonl', rows(result(1), result(2), result(3)));
  await sink.writePart('results-r-00002.jsonl', rows(result(4), result(5)));
  await sink.writePart('failures-r-00001.jsonl', rows(failure(6, { task_id: 't6' }), failure(7)));
  const prepare = (through: Sink) =>
    prepareRun(
      redis,
      prefix,
      {
        manifest: manifestOf(),
        task: { taskType: 'x', labelSpec: null, consensusThreshold: null, key: 'line' },
        policy: { ...runPolicyOf(dir), budget: 6 },
        gateway: 'g',
        keyFingerprint: 'f',
        runId: 'r',
        out: () => dir,
        openSink: () => through,
      },
      pino({ level: 'silent' }),
    );
  const dies: Sink = {
    ...sink,
    readPart(name) {
      if (name === 'results-r-00002.jsonl') throw new Error('killed');
      return sink.readPart(name);
    },
  };
  await expect(prepare(dies)).rejects.toThrow('killed');
  const prepared = await prepare(sink);
  if (prepared.kind !== 'go') throw new Error('the run had not ended');
  const reading = await readRun(redis, prefix, 'r', { withParts: true });
  expect(reading?.status).toMatchObject({
    settled: 5,
    failed: 2,
    cost_sats: 10,
    labels: { cat: 5 },
    failures: { result_timeout: 2 },
  });
  expect(reading?.status.parts.map(({ name, rows }) => [name, rows])).toEqual([
    ['failures-r-00001.jsonl', 2],
    ['results-r-00001.jsonl', 3],
    ['results-r-00002.jsonl', 2],
  ]);
  const keys = runKeys(prefix, 'r');
  const shown = await readShown(redis, prefix, 'r');
  expect(shown?.history.confidences[18]).toBe(5);
  expect(shown?.examples.result_timeout?.map((each) => each.line)).toEqual([6, 7]);
  expect(await admit(redis, keys, 0, [5])).toEqual(['ended']);
  // Six tasks are known to have been bought.
  expect(await admit(redis, keys, 0, [8])).toEqual(['budget']);
});

test('a cost that no number holds counts as none when a run is rebuilt, as it did when its line settled', async () => {
  const dir = await tempDir();
  const { redis, prefix } = await pipelineTo('http://127.0.0.1:1');
  const sink = openSink(dir);
  await sink.writePart('results-r-00001.jsonl', rows({ ...result(1), cost_sats: 1e300 }, result(2)));
  const request = {
    ...{ manifest: manifestOf(), policy: runPolicyOf(dir), gateway: 'g', keyFingerprint: 'f', runId: 'r' },
    task: { taskType: 'x', labelSpec: null, consensusThreshold: null, key: 'line' },
    ...{ out: () => dir, openSink: () => sink },
  };
  await prepareRun(redis, prefix, request, pino({ level: 'silent' }));
  expect((await readRun(redis, prefix, 'r'))?.status).toMatchObject({ settled: 2, cost_sats: 2 });
});

test('the cost of a task that lines share is unknown only while none of its rows tells it', async () => {
  const dir = await tempDir();
  const { redis, prefix } = await pipelineTo('http://127.0.0.1:1');
  const sink = openSink(dir);
  const of = (line: number, task: string, cost: number | null) => ({
    ...result(line),
    ...{ task_id: task, cost_sats: cost, idempotency_key: `content-${task}` },
  });
  await sink.writePart('results-r-00001.jsonl', rows(of(1, 'told late', null), of(2, 'told at once', 2)));
  await sink.writePart('results-r-00002.jsonl', rows(of(3, 'told late', 3), of(4, 'told at once', null)));
  await sink.writePart('results-r-00003.jsonl', rows(of(5, 'never told', null), of(6, 'never told', null)));
  const prepared = await prepareRun(
    redis,
    prefix,
    {
      manifest: manifestOf(),
      task: { taskType: 'x', labelSpec: null, consensusThreshold: null, key: 'content' },
      policy: runPolicyOf(dir),
      gateway: 'g',
      keyFingerprint: 'f',
      runId: 'r',
      out: () => dir,
      openSink: () => sink,
    },
    pino({ level: 'silent' }),
  );
  expect(prepared.kind).toBe('go');
  const counts = await redis.hmget(runKeys(prefix, 'r').counts, 'settled', 'cost_sats', 'unpriced');
  expect(counts).toEqual(['6', '5', '1']);
});
