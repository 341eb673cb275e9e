import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { defineScript } from '../../src/redis/scripts.js';
import { testRedis, uniquePrefix } from '../setup/redis-target.js';

let redis: Redis;
let dir: string;
beforeAll(async () => {
  redis = new Redis(testRedis().socketPath);
  dir = await mkdtemp(join(tmpdir(), 'asg-scripts-'));
});
afterAll(async () => {
  redis.disconnect();
  await rm(dir, { recursive: true, force: true });
});

async function scriptOf(files: Record<string, string>) {
  for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), text);
  return defineScript(pathToFileURL(join(dir, Object.keys(files)[0] ?? '')));
}

test('a script is known by its file, and takes in the files that it names, each once', async () => {
  const script = await scriptOf({
    'add-twice.lua': `--- @include "twice.lua"\n--- @include "twice.lua"\nreturn twice(ARGV[1]) .. KEYS[1] .. #KEYS .. #ARGV\n`,
    'twice.lua': `--- @include "add-twice.lua"\nlocal function twice(text) return text .. text end -- $& stays\n`,
  });
  expect(script.command).toBe('asgAddTwice');
  expect(script.lua.match(/local function/g)).toHaveLength(1);
  expect(await script.run(redis, ['k'], ['ab', 1])).toBe('ababk12');
});

test('it is sent again in full to a server that has forgotten it, in a pipeline as well', async () => {
  const script = await scriptOf({ 'set-one.lua': `return redis.call('INCRBY', KEYS[1], ARGV[1])\n` });
  const key = uniquePrefix();
  expect(await script.run(redis, [key], [2])).toBe(2);
  await redis.script('FLUSH');
  expect(await script.run(redis, [key], [3])).toBe(5);
  await redis.script('FLUSH');
  const answers = await redis.pipeline([[script.command, 1, key, 4]]).exec();
  expect(answers).toEqual([[null, 9]]);
});

test('a file that is missing is told at once', () => {
  expect(() => defineScript(pathToFileURL(join(dir, 'no-such.lua')))).toThrow('no-such.lua');
});
