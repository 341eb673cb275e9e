import { expect, onTestFinished, test } from 'vitest';
import { connectRedis } from '../../src/redis/connection.js';
import { retryTemporaryErrors } from '../../src/redis/temporary-errors.js';
import { startRedisProxy } from '../campaign/parts/redis-proxy.js';
import { tempDir } from '../pipeline/harness.js';
import { startRedisServer } from '../setup/redis-server.js';

/** A client of a Redis whose answers to the first commands are these errors. */
async function refusing(errors: string[]) {
  const { port, redis: direct, server } = await startRedisServer(await tempDir());
  const proxy = await startRedisProxy(port);
  const redis = connectRedis({ url: `redis://127.0.0.1:${proxy.port}` });
  onTestFinished(async () => {
    redis.disconnect();
    direct.disconnect();
    await proxy.close();
    server.kill('SIGKILL');
  });
  proxy.fault = () => {
    const error = errors.shift();
    return error === undefined ? 'pass' : { error };
  };
  return redis;
}

test.each([
  "OOM command not allowed when used memory > 'maxmemory'.",
  'LOADING Redis is loading the dataset in memory',
  'BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.',
  'MISCONF Redis is configured to save RDB snapshots, but is unable to persist to disk.',
  'CLUSTERDOWN The cluster is down',
])('a refusal that passes is waited for, and reported each time: %s', async (refusal) => {
  const redis = await refusing([refusal, refusal]);
  const heard: string[] = [];
  const work = () => redis.incr('n');
  expect(await retryTemporaryErrors(work, { onWait: ({ message }) => heard.push(message) })).toBe(1);
  expect(heard).toEqual([refusal, refusal]);
});

test('a replica is left, and the command is sent again', async () => {
  const redis = await refusing(Array(3).fill("READONLY You can't write against a read only replica."));
  expect(await retryTemporaryErrors(() => redis.incr('n'))).toBe(1);
});

test('a fault of the command is none', async () => {
  const redis = await refusing(['ERR unknown command']);
  await expect(retryTemporaryErrors(() => redis.incr('n'))).rejects.toThrow('unknown command');
});
