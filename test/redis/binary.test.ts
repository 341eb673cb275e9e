import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { findRedisServer } from '../../src/redis/binary.js';

let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'asg-binary-'));
});

afterEach(() => rm(dir, { recursive: true, force: true }));

async function program(name: string, prints: string): Promise<string> {
  const path = join(dir, name);
  await writeFile(path, `#!/bin/sh\necho '${prints}'\n`);
  await chmod(path, 0o755);
  return path;
}

test('the one that ASG_REDIS_SERVER names comes first', async () => {
  await program('redis-server', 'Redis server v=7.2.4 sha=00000000:0');
  const path = await program('mine', 'Redis server v=6.2.14 sha=00000000:0');
  const found = await findRedisServer({ env: { ASG_REDIS_SERVER: path, PATH: dir } });
  expect(found).toEqual({ path, product: 'redis', version: [6, 2] });
});

test('the PATH is searched, and one that is too old is passed over', async () => {
  await program('redis-server', 'Redis server v=5.0.3 sha=00000000:0');
  const path = await program('valkey-server', 'Valkey server v=8.0.1 sha=00000000:0');
  const found = await findRedisServer({ env: { PATH: ['/nonexistent', dir].join(delimiter) } });
  expect(found).toEqual({ path, product: 'valkey', version: [8, 0] });
});

test.each([
  ['is too old', 'Redis server v=6.0.16 sha=00000000:0', '6.0'],
  ['is another program', 'hello', 'cannot be run'],
])('an ASG_REDIS_SERVER that %s is an error, not a reason to take another', async (_, prints, message) => {
  const path = await program('mine', prints);
  await program('redis-server', 'Redis server v=7.2.4 sha=00000000:0');
  await expect(findRedisServer({ env: { ASG_REDIS_SERVER: path, PATH: dir } })).rejects.toMatchObject({
    code: 'redis',
    message: expect.stringContaining(message),
  });
});

test('when there is none and no apt-get either, the error says what to install', async () => {
  await expect(findRedisServer({ env: { PATH: dir, XDG_CACHE_HOME: dir } })).rejects.toMatchObject({
    code: 'redis',
    hint: expect.stringMatching(/apt-get install redis-server.*docker run.*--redis-url/),
  });
});
