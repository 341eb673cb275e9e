import { expect, test } from 'vitest';
import { runKeys } from '../../src/runs/keys.js';
import type { RunPolicy } from '../../src/runs/record.js';
import { askPolicy, tunePolicy } from '../../src/runs/tune.js';
import { pipelineTo, runPolicyOf, tempDir } from '../pipeline/harness.js';

const show = (what: string, value: unknown) => ({ what, to: value as number | null });

/** A run that was started with `--budget 10`. */
async function started() {
  const { redis, prefix } = await pipelineTo('http://127.0.0.1:1');
  const policy: RunPolicy = { ...runPolicyOf(await tempDir()), budget: 10 };
  await redis.hset(runKeys(prefix, 'r').record, { state: 'running', policy: JSON.stringify(policy) });
  return {
    tune: (budget: number) => tunePolicy(redis, prefix, 'r', { budget }, { show }),
    ask: async (budget: number) => (await askPolicy(redis, prefix, 'r', { ...policy, budget }))?.budget,
  };
}

test('the command that a run was started with keeps the last value that `tune` has set, however often it did', async () => {
  const { tune, ask } = await started();
  expect(await tune(20)).toMatchObject([{ what: 'budget', from: 10, to: 20 }]);
  expect(await tune(30)).toMatchObject([{ what: 'budget', from: 20, to: 30 }]);
  expect(await ask(10)).toBe(30);
  expect(await ask(10)).toBe(30);
});

test('a command that asks for another value than before outranks `tune`, and from then on its value counts', async () => {
  const { tune, ask } = await started();
  await tune(20);
  expect(await ask(15)).toBe(15);
  expect(await ask(10)).toBe(10);
});
