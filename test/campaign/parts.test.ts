import { once } from 'node:events';
import { connect } from 'node:net';
import { Redis } from 'ioredis';
import { expect, onTestFinished, test } from 'vitest';
import { tempDir } from '../pipeline/harness.js';
import { startRedisServer } from '../setup/redis-server.js';
import { chosenFaults } from './faults/index.js';
import { startRedisProxy } from './parts/redis-proxy.js';
import { commandName, createFrames } from './parts/resp.js';
import { makePlan } from './plan.js';

async function proxied() {
  const { port, server, redis: admin } = await startRedisServer(await tempDir());
  const proxy = await startRedisProxy(port);
  const redis = new Redis({ port: proxy.port, host: '127.0.0.1', maxRetriesPerRequest: null });
  onTestFinished(async () => {
    redis.disconnect();
    admin.disconnect();
    await proxy.close();
    if (server.kill('SIGKILL')) await once(server, 'exit');
  });
  return { proxy, redis, admin };
}

const FRAMES = [
  '+OK\r\n',
  ':1\r\n',
  '$-1\r\n',
  '$4\r\na\r\nb\r\n',
  '*2\r\n$3\r\nGET\r\n*1\r\n$1\r\nk\r\n',
  '%1\r\n+a\r\n*0\r\n',
];

test('frames are whole however their bytes come', () => {
  const bytes = Buffer.from(FRAMES.join(''));
  for (let size = 1; size <= bytes.length; size += 1) {
    const seen: string[] = [];
    const push = createFrames((frame) => seen.push(frame.toString()));
    for (let at = 0; at < bytes.length; at += size) push(bytes.subarray(at, at + size));
    expect(seen).toEqual(FRAMES);
  }
  expect(commandName(Buffer.from('*2\r\n$7\r\nevalsha\r\n$1\r\nx\r\n'))).toBe('EVALSHA');
});

test('an error in the place of an answer comes in its turn, and Redis never hears of the command', async () => {
  const { proxy, redis, admin } = await proxied();
  proxy.fault = (command) => (command === 'INCR' ? { error: 'BUSY wait' } : 'pass');
  const answers = await Promise.allSettled([redis.set('a', '1'), redis.incr('a'), redis.get('a')]);
  expect(
    answers.map((answer) => (answer.status === 'fulfilled' ? answer.value : String(answer.reason))),
  ).toEqual(['OK', 'ReplyError: BUSY wait', '1']);
  await expect(redis.multi().set('b', '1').incr('b').exec()).rejects.toThrow('EXECABORT');
  expect(await admin.mget('a', 'b')).toEqual(['1', null]);
});

test('a lost answer: the command was done, and the client sends it again', async () => {
  const { proxy, redis, admin } = await proxied();
  let left = 1;
  proxy.fault = (command) => {
    if (command !== 'INCR' || left === 0) return 'pass';
    left -= 1;
    return 'lose';
  };
  expect(await redis.incr('a')).toBe(2);
  expect(await admin.get('a')).toBe('2');
});

test('frozen connections stay open and say nothing', async () => {
  const { proxy, redis } = await proxied();
  await redis.set('a', '1');
  proxy.freeze();
  let answered = false;
  const asked = redis.get('a').then((value) => {
    answered = true;
    return value;
  });
  const other = connect(proxy.port, '127.0.0.1');
  await once(other, 'connect');
  expect(answered).toBe(false);
  proxy.thaw();
  expect(await asked).toBe('1');
  other.destroy();
});

test('the same seed makes the same plan', () => {
  const limits = { minLines: 500, maxLines: 3_000, steps: 12 };
  const faults = chosenFaults({ clock: true });
  expect(makePlan('1/1', faults, limits)).toEqual(makePlan('1/1', faults, limits));
  expect(makePlan('1/2', faults, limits)).not.toEqual(makePlan('1/1', faults, limits));
  expect(chosenFaults({ clock: false, only: ['run'], skip: ['run: SIG'] }).map(({ name }) => name)).toEqual([
    'run: kill -9',
  ]);
});
