import { readdirSync } from 'node:fs';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { RedisClient } from '../../src/redis/connection.js';
import { defineScript, type ScriptArgument } from '../../src/redis/scripts.js';
import { costDayField, envelopeOf } from '../../src/runs/envelope.js';
import { type RunKeys, runKeys } from '../../src/runs/keys.js';
import { acquireLease } from '../../src/runs/lease.js';
import { admit } from '../../src/runs/scripts.js';
import { reopen } from '../../src/runs/transition.js';
import { pipelineTo } from '../pipeline/harness.js';

const DIRECTORY = new URL('../../src/runs/scripts/', import.meta.url);

/** Everything under a run's keys, by its type. Times to live are left out: a lease that is renewed again lives longer. */
async function dump(redis: RedisClient, keys: RunKeys): Promise<Record<string, unknown>> {
  const all: Record<string, unknown> = {};
  const read: Record<string, (key: string) => Promise<unknown>> = {
    hash: (key) => redis.hgetall(key),
    string: async (key) => (await redis.getBuffer(key))?.toString('hex'),
    list: (key) => redis.lrange(key, 0, -1),
    set: async (key) => (await redis.smembers(key)).sort(),
    zset: (key) => redis.zrange(key, '0', '-1', 'WITHSCORES'),
    stream: (key) => redis.xrange(key, '-', '+'),
  };
  for (const key of (await redis.keys(`${keys.queuePrefix}*`)).sort())
    all[key.slice(keys.queuePrefix.length + 1)] = await read[await redis.type(key)]?.(key);
  return all;
}

/** A consumer's note of when it was last there is a time: the call that comes later notes a later one. */
const timesLeftOut = (all: Record<string, unknown>) => {
  const consumers = all.consumers as Record<string, string> | undefined;
  if (consumers === undefined) return all;
  const noted = Object.entries(consumers).map(([name, said]) => [name, said.replace(/:\d{13}:/, ':now:')]);
  return { ...all, consumers: Object.fromEntries(noted) };
};

interface Case {
  /** What is in Redis before. */
  before(redis: RedisClient, keys: RunKeys): Promise<unknown>;
  keys(keys: RunKeys): string[];
  args: ScriptArgument[];
  /** What the first call changes, and no more than that: key → what it holds afterwards. */
  effect: Record<string, unknown>;
  /** What the two calls answer; twice the same when there is one. */
  answers: [unknown] | [unknown, unknown];
  /** What the second call may change all the same. */
  again?: Record<string, unknown>;
}

/** A case is named after its script, and what is special of it. */
const scriptOf = (name: string) => name.split(',')[0] ?? name;
const none = async () => undefined;
/** A run of ten lines, whose every line's bit can be told from its number. */
const running = (policy: object = {}) => ({
  state: 'running',
  policy: JSON.stringify({ maxInFlight: 100, budget: null, ...policy }),
});
const bits = (...set: number[]) => {
  const bytes = Buffer.alloc(Math.floor(Math.max(...set, 0) / 8) + 1);
  for (const bit of set) bytes.writeUInt8(bytes.readUInt8(bit >> 3) | (0x80 >> (bit & 7)), bit >> 3);
  return bytes.toString('hex');
};
const setBits = async (redis: RedisClient, key: string, ...set: number[]) => {
  for (const bit of set) await redis.setbit(key, bit, 1);
};
const ENTRY = '1700000000000-0';
const NEXT = '1700000000001-0';
const entry = (redis: RedisClient, keys: RunKeys, id: string, row: string) =>
  redis.xadd(keys.results, id, 'k', 'settled', 'n', 1, 'd', row);

const ending = (bit: number, kind: string, name: string, cost: number, history: string, example = '') => [
  ...[bit, kind, name, cost, `{"line":${bit + 1}}`, history, example, ''],
];
/** Its task may be another line's too. */
const sharing = (mark: string, ...args: Parameters<typeof ending>) => [...ending(...args).slice(0, -1), mark];
const ENDS = [
  ...[3, 4, 3, ''],
  ...ending(0, 'settled', 'cat', 7, 's3 c18'),
  ...ending(1, 'settled', 'cat', 5, 's3 c9'),
  ...ending(2, 'failed', 'rejected', 0, 'f3', '{"line":3}'),
  ...ending(3, 'unbought', 'rejected', 0, 'f3', '{"line":4}'),
];

const CASES: Record<string, Case> = {
  'add-calls': {
    before: (redis, keys) => redis.hset(keys.calls, 'submit:202', 5),
    keys: (keys) => [keys.seen, keys.calls, keys.history],
    args: ['sender', 1, 2, 'submit:202', 3, 'polls', 2, 'u0', 3],
    effect: { seen: { sender: '1' }, calls: { 'submit:202': '8', polls: '2' }, history: { u0: '3' } },
    answers: [1, 0],
  },
  'note-bought': {
    before: (redis, keys) => redis.hset(keys.sharedKeys(1), 'k1', '0:1:a'),
    keys: (keys) => [keys.sharedKeys(1)],
    args: ['k1'],
    effect: { 'keys:1': { k1: '0:1:a+' } },
    answers: [1, 0],
  },
  'note-held': {
    before: (redis, keys) => redis.hset(keys.calls, { held_from: 100, held_to: 400 }),
    keys: (keys) => [keys.calls],
    args: [900],
    effect: { calls: { held_from: '100', held_to: '900' } },
    answers: [1],
  },
  // A second call finds the lines admitted, by whom it cannot know: it says so, and notes that they are contested, so
  // that neither caller takes the admission back. Nothing is counted twice.
  admit: {
    async before(redis, keys) {
      await redis.hset(keys.record, running({ budget: 3 }));
      await redis.hset(keys.counts, 'bought', 1);
      await setBits(redis, keys.ended(0), 0);
      await setBits(redis, keys.givenBack(0), 1);
    },
    keys: (keys) => [
      ...[keys.record, keys.ended(0), keys.admitted(0), keys.contested(0), keys.counts, keys.givenBack(0)],
      ...[keys.shared(0), keys.failures],
    ],
    args: [5, 0, 1, 2, 3],
    effect: {
      ...{ 'admitted:0': bits(1, 2), 'given-back:0': '00', 'shared:0': '00' },
      counts: { bought: '3', in_flight: '2', labelers: '5' },
    },
    answers: [
      ['running', 'effb'],
      ['running', 'eaab'],
    ],
    again: { 'contested:0': bits(1, 2) },
  },
  'all-counts-flushed': {
    before: (redis, keys) =>
      redis.hset(keys.consumers, { there: `1:${Date.now()}:0`, gone: '0:1:0', future: '0:9999999999999:0' }),
    keys: (keys) => [keys.consumers],
    args: [4_000],
    effect: { consumers: { there: '1:now:0' } },
    answers: [1],
  },
  heartbeat: {
    before: none,
    keys: (keys) => [keys.consumers],
    args: ['consumer', 1, '12.5:3'],
    effect: { consumers: { consumer: '1:now:12.5:3' } },
    answers: [1],
  },
  checkpoint: {
    async before(redis, keys) {
      await redis.set(keys.lease, 'token');
      await redis.hset(keys.record, running());
      await redis.hset(keys.cursor, { source: 0, line: 10, offset: 100 });
      await redis.hset(keys.counts, { lines: 9, settled: 4, failed: 1, in_flight: 2 });
    },
    keys: (keys) => [keys.lease, keys.cursor, keys.counts, keys.record],
    args: ['token', '0:10:100', '1:5:50', 12, 3, 400, 1],
    effect: {
      cursor: { source: '1', line: '5', offset: '50', produced: '1' },
      counts: { lines: '21', settled: '4', failed: '1', in_flight: '2', skipped: '3', bytes: '400' },
    },
    answers: [[1, 14, 0, 'running']],
  },
  'claim-keys': {
    before: (redis, keys) => redis.hset(keys.sharedKeys(1), 'k1', '0:1:a'),
    keys: (keys) => [keys.sharedKeys(1), keys.sharedKeys(2), keys.sharedKeys(2)],
    args: ['k1', '0:2:a', 'k2', '0:3:b', 'k2', '0:4:c'],
    effect: { 'keys:2': { k2: '0:3:b' } },
    answers: [['0:1:a', '', '0:3:b']],
  },
  'claim-keys, of a key that was bought': {
    before: (redis, keys) => redis.hset(keys.sharedKeys(1), { k1: '0:1:a++mark', k2: '+' }),
    keys: (keys) => [keys.sharedKeys(1), keys.sharedKeys(1), keys.sharedKeys(1)],
    args: ['k1', '0:2:a', 'k1', '0:1:a', 'k2', '0:3:b'],
    effect: { 'keys:1': { k1: '0:1:a++mark', k2: '0:3:b+' } },
    answers: [['0:1:a', '', '']],
  },
  'clear-ended': {
    async before(redis, keys) {
      await redis.set(keys.lease, 'token');
      await setBits(redis, keys.ended(0), 0, 1, 2);
    },
    keys: (keys) => [keys.lease, keys.ended(0)],
    args: ['token', 1, 2, 3],
    effect: { 'ended:0': bits(0) },
    answers: [2, 0],
  },
  'commit-plan': {
    async before(redis, keys) {
      await redis.set(keys.plan, 'the plan');
      await entry(redis, keys, ENTRY, '{}');
      await entry(redis, keys, NEXT, '{"next":1}');
      await redis.hset(keys.counts, { unflushed_bytes: 14, unflushed_rows: 2 });
    },
    keys: (keys) => [keys.plan, keys.results, keys.parts, keys.counts],
    args: ['the plan', NEXT, 3, 1, '{"name":"p1"}', '{"name":"p2"}'],
    effect: {
      plan: undefined,
      results: [[NEXT, ['k', 'settled', 'n', '1', 'd', '{"next":1}']]],
      parts: ['{"name":"p1"}', '{"name":"p2"}'],
      counts: { unflushed_bytes: '11', unflushed_rows: '1' },
    },
    answers: [1, 0],
  },
  create: {
    before: none,
    keys: (keys) => [keys.record, keys.sources],
    args: ['["m.jsonl"]', 'id', 'r', 'state', 'running'],
    effect: { run: { id: 'r', state: 'running' }, sources: Buffer.from('["m.jsonl"]').toString('hex') },
    answers: [1, 0],
  },
  'drop-plan': {
    async before(redis, keys) {
      await redis.set(keys.plan, 'the plan');
      await entry(redis, keys, NEXT, '{}');
    },
    keys: (keys) => [keys.plan, keys.results],
    args: ['the plan', ENTRY],
    effect: { plan: undefined },
    answers: [1, 0],
  },
  'end-lines': {
    async before(redis, keys) {
      await setBits(redis, keys.admitted(0), 0, 1, 2, 3, 4);
      await setBits(redis, keys.shared(0), 1);
      await setBits(redis, keys.escalated(0), 2, 4);
      await redis.hset(keys.counts, { in_flight: 5, bought: 5, shared: 1, escalating: 2 });
    },
    keys: (keys) => [
      ...[keys.ended(0), keys.admitted(0), keys.contested(0), keys.counts, keys.results, keys.failures],
      ...[keys.labels, keys.history, keys.examples, keys.shared(0), keys.escalated(0)],
    ],
    args: ENDS,
    effect: {
      'ended:0': bits(0, 1, 2, 3),
      'admitted:0': bits(4),
      'shared:0': '00',
      'escalated:0': bits(4),
      counts: {
        ...{
          shared: '0',
          escalating: '1',
          labeler_sats: '4',
          labelers: '3',
          [costDayField(Date.now())]: '12',
        },
        ...{ in_flight: '1', bought: '4', settled: '2', failed: '2', cost_sats: '12' },
        ...{ unflushed_rows: '4', unflushed_bytes: '44' },
      },
      results: expect.arrayContaining([
        [expect.any(String), ['k', 'settled', 'n', '2', 'd', '{"line":1}\n{"line":2}']],
        [expect.any(String), ['k', 'failed', 'n', '2', 'd', '{"line":3}\n{"line":4}']],
      ]),
      failures: { rejected: '2' },
      labels: { cat: '2' },
      history: { s3: '2', c18: '1', c9: '1', f3: '2' },
      examples: { '1:rejected': '{"line":3}', '2:rejected': '{"line":4}' },
    },
    answers: ['1111', '0000'],
  },
  // Lines 1 and 2 have one task, line 3 has had another one made under the same key.
  'end-lines, of lines that share a task': {
    async before(redis, keys) {
      await setBits(redis, keys.admitted(0), 0, 1, 2);
      await redis.hset(keys.sharedKeys(1), 'k1', '0:1:a+');
    },
    keys: (keys) => [
      ...[keys.ended(0), keys.admitted(0), keys.contested(0), keys.counts, keys.results, keys.failures],
      ...[keys.labels, keys.history, keys.examples, keys.shared(0), keys.escalated(0)],
      ...[keys.sharedKeys(1), keys.sharedKeys(1), keys.sharedKeys(1)],
    ],
    args: [
      ...[3, 4, 3, ''],
      ...sharing('k1 task1', 0, 'settled', 'cat', 7, ''),
      ...sharing('k1 task1', 1, 'settled', 'cat', 7, ''),
      ...sharing('k1 task2', 2, 'settled', 'cat', 5, ''),
    ],
    effect: {
      'ended:0': bits(0, 1, 2),
      'admitted:0': '00',
      'keys:1': { k1: '0:1:a++task1+task2' },
      counts: expect.objectContaining({ settled: '3', cost_sats: '12' }),
      results: [expect.anything()],
      labels: { cat: '3' },
    },
    answers: ['111', '000'],
  },
  'forget-progress': {
    async before(redis, keys) {
      await redis.set(keys.lease, 'token');
      await redis.hset(keys.counts, 'lines', 3);
      await redis.hset(keys.cursor, 'line', 3);
      await setBits(redis, keys.ended(0), 1);
    },
    keys: (keys) => [keys.lease, keys.counts, keys.ended(0)],
    args: ['token'],
    effect: { counts: undefined, 'ended:0': undefined },
    answers: [1],
  },
  'forget-tasks': {
    async before(redis, keys) {
      await redis.hset(keys.hints, { t1: 'said', t2: 'said' });
      await redis.hset(keys.tasks(1), { t1: 'job', other: 'job' });
      await redis.hset(keys.tasks(2), { t2: 'another job' });
    },
    keys: (keys) => [keys.hints, keys.tasks(1), keys.tasks(2)],
    args: ['job', 't1', 't2'],
    effect: { hints: { t2: 'said' }, 'tasks:1': { other: 'job' }, 'tasks:2': { t2: 'another' } },
    answers: [1],
  },
  'give-back': {
    async before(redis, keys) {
      await redis.hset(keys.counts, 'bought', 5);
      await setBits(redis, keys.contested(0), 1);
    },
    keys: (keys) => [keys.givenBack(0), keys.contested(0), keys.counts, keys.shared(0)],
    args: [1, 0, 1, 2],
    effect: { 'given-back:0': bits(0, 2), 'shared:0': bits(0, 2), counts: { bought: '3', shared: '2' } },
    answers: [2, 0],
  },
  'hint-task': {
    before: (redis, keys) => redis.hset(keys.tasks(1), 't1', 'job another'),
    keys: (keys) => [keys.hints, keys.tasks(1)],
    args: ['t1', 'said'],
    effect: { hints: { t1: 'said' } },
    answers: [
      ['job another', 1],
      ['job another', 0],
    ],
  },
  'index-tasks': {
    before: (redis, keys) => redis.hset(keys.tasks(1), 't1', 'another'),
    keys: (keys) => [keys.tasks(1), keys.tasks(2)],
    args: ['job', 't1', 't2'],
    effect: { 'tasks:1': { t1: 'another job' }, 'tasks:2': { t2: 'job' } },
    answers: [2],
  },
  'index-tasks, where the name of another job begins with this one': {
    before: (redis, keys) => redis.hset(keys.tasks(1), 't1', 'job-2'),
    keys: (keys) => [keys.tasks(1)],
    args: ['job', 't1'],
    effect: { 'tasks:1': { t1: 'job-2 job' } },
    answers: [1],
  },
  'judge-refusal': {
    before: (redis, keys) => redis.sadd(keys.refused, '0:1'),
    keys: (keys) => [keys.counts, keys.refused],
    args: ['0:2', '', 3, 'this call'],
    effect: { refused: ['0:1', '0:2'] },
    answers: ['0'],
  },
  learn: {
    before: (redis, keys) => redis.hset(keys.settleTimes, { a: 10, sum: 1_990 }),
    keys: (keys) => [keys.seen, keys.settleTimes],
    args: ['sender', 1, 2_000, 20, 'a', 20, 'b', 4],
    effect: { seen: { sender: '1' }, 'settle-times': { a: '15', b: '2', sum: '1005' } },
    answers: [expect.arrayContaining(['a', '15', 'b', '2'])],
  },
  'make-ready': {
    async before(redis, keys) {
      await redis.set(keys.lease, 'token');
      await redis.hset(keys.record, 'state', 'running');
    },
    keys: (keys) => [keys.lease, keys.record, keys.counts],
    args: ['token', 1],
    effect: { run: { state: 'running', ready: '1' }, counts: { accepted: '1' } },
    answers: [1],
  },
  'note-end': {
    before: (redis, keys) => redis.hset(keys.record, 'state', 'running'),
    keys: (keys) => [keys.record],
    args: ['2026-01-01T00:00:00Z'],
    effect: { run: { state: 'running', ended_at: '2026-01-01T00:00:00Z' } },
    answers: ['2026-01-01T00:00:00Z'],
  },
  'publish-plan': {
    before: (redis, keys) => entry(redis, keys, ENTRY, '{}'),
    keys: (keys) => [keys.plan, keys.results],
    args: ['the plan', ENTRY],
    effect: { plan: Buffer.from('the plan').toString('hex') },
    answers: ['the plan'],
  },
  'rebuild-part': {
    async before(redis, keys) {
      await redis.set(keys.lease, 'token');
      await redis.hset(keys.counts, 'settled', 3);
      await redis.rpush(keys.parts, '{"name":"p1"}');
    },
    keys: (keys) => [keys.lease, keys.parts, keys.counts, keys.examples],
    args: ['token', '{"name":"p2"}', 2, 3, 'settled', 4, 3, 'bought', 5, 4, '1:rejected', '{"line":1}'],
    effect: {
      parts: ['{"name":"p1"}', '{"name":"p2"}'],
      counts: { settled: '7', bought: '5' },
      examples: { '1:rejected': '{"line":1}' },
    },
    answers: [1],
  },
  // One settled row more than is counted, none in flight but line 4 of the second source, and lines miscounted.
  'mark-unchanged': {
    before: (redis, keys) => setBits(redis, keys.ended(0), 1),
    keys: (keys) => [keys.ended(0), keys.unchanged(0), keys.counts],
    args: ['unchanged', 0, 1, 3],
    effect: { 'ended:0': bits(0, 1, 3), 'unchanged:0': bits(0, 3), counts: { unchanged: '2' } },
    answers: [2, 0],
  },
  recount: {
    async before(redis, keys) {
      await redis.set(keys.lease, 'token');
      const counted = { settled: 2, failed: 1, in_flight: 5, lines: 3, unflushed_rows: 0, bought: 4 };
      await redis.hset(keys.counts, counted);
      const parts = [
        { name: 'results-r-00001.jsonl', rows: 2 },
        { name: 'failures-r-00001.jsonl', rows: 1 },
      ];
      await redis.rpush(keys.parts, ...parts.map((part) => JSON.stringify(part)));
      await entry(redis, keys, ENTRY, '{}');
      await setBits(redis, keys.admitted(1), 3);
    },
    keys: (keys) => [
      ...[keys.lease, keys.counts, keys.parts, keys.results],
      ...[keys.admitted(0), keys.admitted(1)],
    ],
    args: ['token', 5],
    effect: {
      counts: {
        ...{ lines: '5', settled: '3', failed: '1', in_flight: '1' },
        ...{ unflushed_rows: '1', bought: '4' },
      },
    },
    answers: [4],
  },
  release: {
    before: (redis, keys) => redis.set(keys.lease, 'token'),
    keys: (keys) => [keys.lease],
    args: ['token'],
    effect: { lease: undefined },
    answers: [1, 0],
  },
  // What it changes is how long the lease lives: looked at below.
  renew: {
    before: (redis, keys) => redis.set(keys.lease, 'token', 'PX', 100_000),
    keys: (keys) => [keys.lease],
    args: ['token', 1_000_000],
    effect: {},
    answers: [1],
  },
  reopen: {
    async before(redis, keys) {
      const ended = { reason: 'quota', message: 'said', ended_at: 'then', summed_up: '1' };
      await redis.hset(keys.record, { ...running(), ...ended, state: 'cancelled' });
      await redis.hset(keys.cursor, { line: 10 });
    },
    keys: (keys) => [keys.record, keys.cursor],
    args: [],
    effect: {
      run: { ...running(), reason: '', message: '' },
      cursor: { line: '10', produced: '1' },
    },
    answers: [1, 0],
  },
  'reserve-again': {
    async before(redis, keys) {
      await redis.hset(keys.record, running({ budget: 3 }));
      await redis.hset(keys.counts, 'bought', 2);
    },
    keys: (keys) => [keys.record, keys.boughtAgain(0), keys.counts, keys.failures, keys.contested(0)],
    args: [4],
    effect: { 'bought-again:0': bits(4), counts: { bought: '3', bought_again: '1' } },
    answers: ['f', 'a'],
    again: { 'contested:0': bits(4) },
  },
  'set-policy': {
    before: (redis, keys) => redis.hset(keys.record, { state: 'running', policy: '{"spend":1}' }),
    keys: (keys) => [keys.record, keys.changes],
    args: ['{"spend":1}', '{"spend":2}', '{"spend":{}}', 'this call', '{"what":"spend"}'],
    effect: {
      run: { state: 'running', policy: '{"spend":2}', tuned: '{"spend":{}}', policy_set_by: 'this call' },
      changes: ['{"what":"spend"}'],
    },
    answers: [1],
  },
  'set-bits': {
    async before(redis, keys) {
      await redis.set(keys.lease, 'token');
      await setBits(redis, keys.ended(0), 0);
    },
    keys: (keys) => [keys.lease, keys.ended(0)],
    args: ['token', 1, Buffer.from([0x80])],
    effect: { 'ended:0': bits(0, 8) },
    answers: [1],
  },
  transition: {
    before: (redis, keys) => redis.hset(keys.record, { state: 'running', ended_at: '' }),
    keys: (keys) => [keys.record],
    args: ['running,blocked', 'blocked', 'quota', 'top it up', '2026-01-01T00:00:00Z', ''],
    effect: {
      run: {
        ...{ state: 'blocked', reason: 'quota', message: 'top it up', ended_at: '' },
        changed_at: '2026-01-01T00:00:00Z',
      },
    },
    answers: ['blocked'],
  },
  'withdraw-admission': {
    async before(redis, keys) {
      await setBits(redis, keys.admitted(0), 0, 1, 2);
      await setBits(redis, keys.contested(0), 1);
      await redis.hset(keys.counts, { in_flight: 3, bought: 4 });
    },
    keys: (keys) => [keys.admitted(0), keys.contested(0), keys.counts],
    args: [0, 1, 3],
    effect: { 'admitted:0': bits(1, 2), counts: { in_flight: '2', bought: '3' } },
    answers: [1, 0],
  },
  'take-failures-back': {
    async before(redis, keys) {
      await setBits(redis, keys.ended(0), 0, 1, 2);
      await redis.hset(keys.record, 'state', 'running');
      await redis.hset(keys.counts, { failed: 3, unflushed_rows: 0, unflushed_bytes: 0 });
      await redis.hset(keys.failures, { rejected: 2, invalid_json: 1 });
      await redis.hset(keys.examples, { '1:rejected': '{}', '2:rejected': '{}', '1:invalid_json': '{}' });
    },
    keys: (keys) => [keys.ended(0), keys.counts, keys.failures, keys.results, keys.record, keys.examples],
    args: ['part', 1, 3, 0, 'rejected', '', 1, 'invalid_json', '{"line":2}', 2, 'rejected', ''],
    effect: {
      'ended:0': bits(1),
      run: { state: 'running', 'retry:part': '3' },
      counts: { failed: '1', unflushed_rows: '1', unflushed_bytes: '11' },
      failures: { invalid_json: '1' },
      examples: { '1:invalid_json': '{}' },
      results: [[expect.any(String), ['k', 'failed', 'n', '1', 'd', '{"line":2}']]],
    },
    answers: [2, 0],
  },
  'reserve-escalation': {
    async before(redis, keys) {
      await redis.hset(keys.record, {
        state: 'running',
        policy: JSON.stringify({ budget: 9, spend: 5_000 }),
      });
      await redis.hset(keys.counts, { bought: 3, in_flight: 1, labeler_sats: 325, labelers: 3 });
    },
    keys: (keys) => [keys.record, keys.escalated(0), keys.contested(0), keys.counts, keys.failures],
    args: [4, 5],
    effect: {
      'escalated:0': bits(4),
      counts: { bought: '4', in_flight: '1', labeler_sats: '325', labelers: '5', escalating: '1' },
    },
    answers: ['f', 'a'],
    again: { 'contested:0': bits(4) },
  },
  'unreserve-escalation': {
    async before(redis, keys) {
      await setBits(redis, keys.escalated(0), 4);
      await redis.hset(keys.counts, { bought: 3, escalating: 1 });
    },
    keys: (keys) => [keys.escalated(0), keys.contested(0), keys.counts],
    args: [4, 0],
    effect: { 'escalated:0': '00', counts: { bought: '2', escalating: '0' } },
    answers: [1, 0],
  },
  'unreserve-again': {
    async before(redis, keys) {
      await setBits(redis, keys.boughtAgain(0), 4);
      await redis.hset(keys.counts, { bought: 3, bought_again: 1 });
    },
    keys: (keys) => [keys.boughtAgain(0), keys.counts, keys.contested(0)],
    args: [4],
    effect: { 'bought-again:0': '00', counts: { bought: '2', bought_again: '0' } },
    answers: [1],
  },
  update: {
    before: (redis, keys) => redis.hset(keys.record, { state: 'running', notes: 'old' }),
    keys: (keys) => [keys.record],
    args: ['notes', 'new', 'more', '1'],
    effect: { run: { state: 'running', notes: 'new', more: '1' } },
    answers: [1],
  },
};

async function open() {
  const { redis, prefix } = await pipelineTo('http://127.0.0.1:1');
  return { redis, keys: runKeys(prefix, 'r') };
}

/** Files that other scripts take in, and no client sends. */
const PARTS = ['once', 'day', 'labels-left'];

test('every script of a run has its case here', () => {
  const files = readdirSync(DIRECTORY).map((name) => name.replace(/\.lua$/, ''));
  expect([...new Set(Object.keys(CASES).map(scriptOf))].sort()).toEqual(
    files.filter((name) => !PARTS.includes(name)).sort(),
  );
});

describe('a script that is sent twice has done it once', () => {
  test.each(Object.entries(CASES))(
    '%s',
    async (name, { before, keys: keysOf, args, effect, answers, again }) => {
      const { redis, keys } = await open();
      const script = defineScript(new URL(`${scriptOf(name)}.lua`, DIRECTORY));
      await before(redis, keys);
      const state = async () => timesLeftOut(await dump(redis, keys));
      const untouched = await state();
      expect(await script.run(redis, keysOf(keys), args)).toEqual(answers[0]);
      const once = await state();
      expect(once).toEqual({ ...untouched, ...effect });
      if (Object.keys(effect).length > 0) expect(once).not.toEqual(untouched);
      expect(await script.run(redis, keysOf(keys), args)).toEqual(answers.at(-1));
      expect(await state()).toEqual({ ...once, ...again });
    },
  );
});

test('a lease that is renewed lives on, and only for its holder', async () => {
  const { redis, keys } = await open();
  const renew = defineScript(new URL('renew.lua', DIRECTORY));
  await redis.set(keys.lease, 'token', 'PX', 100_000);
  expect(await renew.run(redis, [keys.lease], ['token', 1_000_000])).toBe(1);
  expect(await redis.pttl(keys.lease)).toBeGreaterThan(100_000);
  expect(await renew.run(redis, [keys.lease], ['another', 9_000_000])).toBe(0);
  expect(await redis.pttl(keys.lease)).toBeLessThanOrEqual(1_000_000);
});

test('a refusal that makes the round full begins a new one once', async () => {
  const { redis, keys } = await open();
  const judgeRefusal = defineScript(new URL('judge-refusal.lua', DIRECTORY));
  const refuse = async (line: string, call: string) =>
    String(await judgeRefusal.run(redis, [keys.counts, keys.refused], [line, '', 2, call]));
  expect([await refuse('0:1', 'a'), await refuse('0:2', 'b')]).toEqual(['0', 'endpoint']);
  const found = await dump(redis, keys);
  expect(await redis.hget(keys.counts, 'endpoint_round')).toBe('1');
  // Sent again, it gets its answer, and counts for nothing in the round that has begun.
  expect(await refuse('0:2', 'b')).toBe('endpoint');
  expect(await dump(redis, keys)).toEqual(found);
  // The same line refused once more, as after a run was resumed, is a refusal of the new round like any other.
  expect([await refuse('0:2', 'c'), await refuse('0:3', 'd')]).toEqual(['1', 'endpoint']);
  expect(await redis.hget(keys.counts, 'endpoint_round')).toBe('2');
});

test('a transition from one reason moves only a run that is blocked for it', async () => {
  const { redis, keys } = await open();
  const move = defineScript(new URL('transition.lua', DIRECTORY));
  const resume = (reason: string) =>
    move.run(redis, [keys.record], ['paused,blocked', 'running', '', '', '2026-01-01T00:00:00Z', reason]);
  await redis.hset(keys.record, { state: 'blocked', reason: 'quota' });
  expect([await resume('sink'), await resume('quota')]).toEqual(['blocked', 'running']);
  await redis.hset(keys.record, { state: 'paused', reason: '' });
  expect(await resume('quota')).toBe('paused');
});

test('an admission that was answered twice stays: nobody knows which of the two answers was heard', async () => {
  const { redis, keys } = await open();
  await redis.hset(keys.record, running());
  expect(await admit(redis, keys, 0, [1, 2])).toEqual(['fresh', 'fresh']);
  expect(await admit(redis, keys, 0, [1])).toEqual(['again']);
  const withdrawAdmission = defineScript(new URL('withdraw-admission.lua', DIRECTORY));
  expect(await withdrawAdmission.run(redis, [keys.admitted(0), keys.contested(0), keys.counts], [0, 1])).toBe(
    1,
  );
  expect(await redis.hmget(keys.counts, 'in_flight', 'bought')).toEqual(['1', '1']);
});

test('a line that fails unbought gives its reservation back, unless another process may be buying it', async () => {
  const { redis, keys } = await open();
  await redis.hset(keys.record, running());
  await admit(redis, keys, 0, [1, 2]);
  // Line 1 was admitted twice: two processes have it.
  expect(await admit(redis, keys, 0, [1])).toEqual(['again']);
  const endLinesScript = defineScript(new URL('end-lines.lua', DIRECTORY));
  const { keys: keysOf } = CASES['end-lines'] ?? expect.fail();
  const args = [3, 0, 0, '', ...[0, 1].flatMap((bit) => ending(bit, 'unbought', 'cancelled', 0, 'f3'))];
  expect(await endLinesScript.run(redis, keysOf(keys), args)).toBe('11');
  expect(await redis.hmget(keys.counts, 'in_flight', 'bought')).toEqual(['0', '1']);
});

test('a recount counts all rows that are in no part yet, however many entries of the stream hold them', async () => {
  const { redis, keys } = await open();
  const rows = 250;
  const { keys: keysOf } = CASES.recount ?? expect.fail();
  await redis.set(keys.lease, 'token');
  for (let n = 1; n <= rows; n += 1) await entry(redis, keys, `${n}-0`, '{}');
  const recount = defineScript(new URL('recount.lua', DIRECTORY));
  expect(await recount.run(redis, keysOf(keys), ['token', rows])).toBe(rows);
  expect(await redis.hmget(keys.counts, 'lines', 'settled', 'unflushed_rows')).toEqual(['250', '250', '250']);
});

test.each(['result_timeout', 'retries_exhausted', 'task_not_found', 'key_conflict'])(
  '--spend keeps the price of a task that failed with %s and may be paid for',
  async (code) => {
    const { redis, keys } = await open();
    const policy = { maxInFlight: 100, budget: null, spend: 6, spendPerDay: null, priceSats: null };
    // A label costs 3 at most, so two fit. One is taken by the failure.
    const [counts, failures] = [{ labeler_sats: '1' }, { [code]: '1', rejected: '1' }];
    await redis.hset(keys.record, running(policy));
    await redis.hset(keys.counts, counts);
    await redis.hset(keys.failures, failures);
    expect(await admit(redis, keys, 0, [1, 2])).toEqual(['fresh', 'spend']);
    expect(envelopeOf(counts, failures, policy, Date.now()).reserved).toBe(3);
  },
);

test('a failure is taken back once: a line that has ended again since stays so when `retry` is repeated', async () => {
  const { redis, keys } = await open();
  const { before, keys: keysOf, args } = CASES['take-failures-back'] ?? expect.fail();
  await before(redis, keys);
  const takeFailuresBack = defineScript(new URL('take-failures-back.lua', DIRECTORY));
  expect(await takeFailuresBack.run(redis, keysOf(keys), args)).toBe(2);
  await setBits(redis, keys.ended(0), 0);
  const ended = await dump(redis, keys);
  expect(await takeFailuresBack.run(redis, keysOf(keys), args)).toBe(0);
  expect(await dump(redis, keys)).toEqual(ended);
});

describe('a lease that has gone to another process is a fence', () => {
  const FENCED = [
    ...['checkpoint', 'clear-ended', 'forget-progress', 'make-ready', 'rebuild-part', 'recount', 'set-bits'],
  ];
  test.each(FENCED)('%s changes nothing', async (name) => {
    const { before, keys: keysOf, args } = CASES[name] ?? expect.fail(name);
    const { redis, keys } = await open();
    await before(redis, keys);
    await redis.set(keys.lease, 'another');
    const untouched = await dump(redis, keys);
    await defineScript(new URL(`${name}.lua`, DIRECTORY)).run(redis, keysOf(keys), args);
    expect(await dump(redis, keys)).toEqual(untouched);
  });

  test('also when Redis has lost all it knew: no holding has the token of one before', async () => {
    const { redis, keys } = await open();
    const tokens = new Set<string>();
    for (let n = 0; n < 3; n += 1) {
      const lease = await acquireLease(redis, keys);
      tokens.add(lease?.token ?? '');
      // Lost with Redis, and not released: the holder sleeps.
      await redis.del(keys.lease);
      onTestFinished(() => lease?.release());
    }
    expect(tokens.size).toBe(3);
    for (const token of tokens) expect(token).toMatch(/^[0-9a-f]{24}$/);
  });
});

test.each(['running', 'paused', 'blocked'])('a run that is %s is not opened: that stands', async (state) => {
  const { redis, keys } = await open();
  await redis.hset(keys.record, { ...running(), state, reason: 'said' });
  await redis.hset(keys.cursor, { line: 10 });
  const untouched = await dump(redis, keys);
  expect(await reopen(redis, keys)).toBe(false);
  expect(await dump(redis, keys)).toEqual(untouched);
});

test('gold lines are counted as they end, once, and failures of them taken back', async () => {
  const { redis, keys } = await open();
  const endLinesScript = defineScript(new URL('end-lines.lua', DIRECTORY));
  const { keys: keysOf } = CASES['end-lines'] ?? expect.fail();
  const args = [
    ...[3, 0, 0],
    JSON.stringify(['agreed', 'disagreed', 'agreed', 'failed'].map((name) => ({ [`gold_${name}`]: 1 }))),
    ...[0, 1, 2].flatMap((bit) => ending(bit, 'settled', 'cat', 1, 's3')),
    ...ending(3, 'failed', 'rejected', 0, 'f3', '{"line":4}'),
  ];
  for (const answer of ['1111', '0000'])
    expect(await endLinesScript.run(redis, keysOf(keys), args)).toBe(answer);
  const golden = () => redis.hmget(keys.counts, 'gold_agreed', 'gold_disagreed', 'gold_failed');
  expect(await golden()).toEqual(['2', '1', '1']);
  const takeFailuresBack = defineScript(new URL('take-failures-back.lua', DIRECTORY));
  const names = [
    ...[keys.ended(0), keys.counts, keys.failures, keys.results, keys.record, keys.examples, keys.gold],
  ];
  for (const answer of [1, 0])
    expect(await takeFailuresBack.run(redis, names, ['part', 1, 3, 3, 'rejected', ''])).toBe(answer);
  expect(await golden()).toEqual(['2', '1', '0']);
});

test('costs that no number holds do not end the script half done', async () => {
  const { redis, keys } = await open();
  const most = '9223372036854775807';
  await redis.hset(keys.counts, 'cost_sats', most);
  const endLinesScript = defineScript(new URL('end-lines.lua', DIRECTORY));
  const { keys: keysOf } = CASES['end-lines'] ?? expect.fail();
  const args = [3, 975, 3, '', ...ending(0, 'settled', 'cat', 2_100_000_000_000_000, 's3')];
  for (const answer of ['1', '0']) expect(await endLinesScript.run(redis, keysOf(keys), args)).toBe(answer);
  expect(await redis.hmget(keys.counts, 'settled', 'cost_sats')).toEqual(['1', most]);
  expect(await redis.hgetall(keys.history)).toEqual({ s3: '1' });
});

test('nor do costs of second tasks', async () => {
  const { redis, keys } = await open();
  const endLinesScript = defineScript(new URL('end-lines.lua', DIRECTORY));
  const { keys: keysOf } = CASES['end-lines'] ?? expect.fail();
  const also = JSON.stringify([{ escalated: 1, escalated_cost: 1e300 }]);
  const args = [3, 975, 3, also, ...ending(0, 'settled', 'cat', 5, 's3')];
  for (const answer of ['1', '0']) expect(await endLinesScript.run(redis, keysOf(keys), args)).toBe(answer);
  expect(await redis.hmget(keys.counts, 'escalated', 'escalated_cost', 'cost_sats')).toEqual([
    ...['1', String(2 ** 53), '5'],
  ]);
  expect(await redis.hgetall(keys.history)).toEqual({ s3: '1' });
});
