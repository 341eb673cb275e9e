import { expect, test } from 'vitest';
import { addressOf } from '../../src/redis/address.js';
import { connectRedis, redisOptions } from '../../src/redis/connection.js';
import { testRedis, uniquePrefix } from '../setup/redis-target.js';

test('a socket path connects and talks', async () => {
  const redis = connectRedis(testRedis());
  const key = uniquePrefix();
  await redis.set(key, 'here');
  expect(await redis.get(key)).toBe('here');
  await redis.quit();
});

test('a unix URL connects to the database it names', async () => {
  const { socketPath } = testRedis();
  const key = uniquePrefix();
  const redis = connectRedis({ url: `unix://${socketPath}?db=3` });
  const other = connectRedis({ socketPath });
  await redis.set(key, 'three');
  expect(await other.get(key)).toBeNull();
  await other.select(3);
  expect(await other.get(key)).toBe('three');
  await Promise.all([redis.quit(), other.quit()]);
});

test.each([
  ['redis://localhost', { host: 'localhost', port: 6379 }],
  ['redis://[::1]:7000/2', { host: '::1', port: 7000, db: 2 }],
  ['redis://:p%40ss@host:1', { host: 'host', port: 1, password: 'p@ss' }],
  [
    'rediss://user:pw@host/4',
    { host: 'host', port: 6379, username: 'user', password: 'pw', db: 4, tls: { servername: 'host' } },
  ],
  ['redis+unix:///run/redis%20a.sock', { path: '/run/redis a.sock' }],
  ['rediss://127.0.0.1', { host: '127.0.0.1', port: 6379, tls: {} }],
  [
    'redis+sentinel://user:pw@a:26380,b/main/2?sentinel-password=s',
    {
      sentinels: [
        { host: 'a', port: 26380 },
        { host: 'b', port: 26379 },
      ],
      name: 'main',
      db: 2,
      username: 'user',
      password: 'pw',
      sentinelPassword: 's',
    },
  ],
])('%s', (url, expected) => {
  const {
    maxRetriesPerRequest,
    retryStrategy,
    reconnectOnError,
    keepAlive,
    socketTimeout = 0,
    ...address
  } = redisOptions({ url });
  expect(address).toEqual(expected);
  expect(maxRetriesPerRequest).toBeNull();
  expect(keepAlive).toBeGreaterThan(0);
  // Longer than any command of BullMQ's blocks.
  expect(socketTimeout).toBeGreaterThan(10_000);
  expect([1, 5, 100].map((attempt) => retryStrategy?.(attempt))).toEqual([200, 1000, 2000]);
  expect(reconnectOnError?.(new Error("READONLY You can't write against a read only replica."))).toBe(2);
  expect(reconnectOnError?.(new Error('ERR no such key'))).toBe(false);
});

test.each([
  'http://:secret@host',
  'redis://:secret@host/x',
  'redis://:secret%@host',
  'redis://:secret@ho st',
  'secret',
])('a bad URL is a usage error without its password: %s', (url) => {
  expect(() => redisOptions({ url })).toThrow(
    expect.objectContaining({ code: 'usage', message: expect.not.stringContaining('secret') }),
  );
});

test('a cluster is named by one node or several', () => {
  expect(addressOf({ url: 'redis+cluster://user:p%40ss@one:7000?addr=two:7001&addr=[::1]' })).toEqual({
    cluster: [
      { host: 'one', port: 7000 },
      { host: 'two', port: 7001 },
      { host: '::1', port: 6379 },
    ],
    server: { username: 'user', password: 'p@ss' },
  });
  expect(addressOf({ url: 'rediss+cluster://one' })).toEqual({
    cluster: [{ host: 'one', port: 6379 }],
    server: { tls: {} },
  });
  for (const url of ['redis+cluster://one/3', 'redis+cluster://one?addr=', 'redis+cluster:///'])
    expect(() => addressOf({ url }), url).toThrow(expect.objectContaining({ code: 'usage' }));
});
