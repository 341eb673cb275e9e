import { expect, onTestFinished, test } from 'vitest';
import {
  ASGBatchError,
  ASGGatewayClient,
  ASGGatewayHTTPError,
  ASGQuotaError,
} from '../../src/gateway/index.js';
import { type SandboxOptions, startSandbox } from '../../src/sandbox/index.js';

const label_spec = { question: 'Which?', options: ['a', 'b'] };
const tasksOf = (count: number, key?: string) =>
  Array.from({ length: count }, (_, n) => ({
    task_type: 'sentiment',
    data_url: `https://x.example/${n}`,
    label_spec,
    ...(key !== undefined && { idempotency_key: `${key}-${n}` }),
  }));
const bad = (task: object) => ({ ...task, label_spec: { question: 'Which?', options: ['only one'] } });

async function gateway(options: Partial<SandboxOptions> = {}) {
  const sandbox = await startSandbox({ port: 0, settle: { minMs: 0, maxMs: 0 }, ...options });
  const client = new ASGGatewayClient({
    apiKey: 'sk_sandbox_batch',
    baseUrl: sandbox.url,
    retry: { baseMs: 1 },
  });
  onTestFinished(async () => {
    await client.close();
    await sandbox.close();
  });
  return { client, sandbox, calls: (operation: string) => sandbox.stats().calls[operation] ?? {} };
}

test('2,500 tasks are three calls, each task under a key of its own', async () => {
  const { client, sandbox, calls } = await gateway();
  const { task_count, batches, submitted, rejected } = await client.submitBatch({ tasks: tasksOf(2_500) });
  expect(calls('batch')).toEqual({ 202: 3 });
  expect(batches.map((one) => one.task_count)).toEqual([1_000, 1_000, 500]);
  expect([task_count, submitted.length, rejected.length]).toEqual([2_500, 2_500, 0]);
  expect(new Set(submitted.map((task) => task.idempotency_key)).size).toBe(2_500);
  expect(submitted.every((task, n) => task.index === n && task.task_id === null)).toBe(true);
  expect(sandbox.stats()).toMatchObject({ tasks: 2_500, idempotency_keys: 2_500 });
});

test('ids come from the answer where it holds them, else by replay on request, uncharged', async () => {
  const { client, sandbox, calls } = await gateway({ batchTaskIds: true });
  const tasks = tasksOf(40, 'k');
  const sent = await client.submitBatch({ tasks });
  expect(calls('submit')).toEqual({});
  sandbox.set({ batchTaskIds: false });
  const replayed = await client.submitBatch({ tasks }, { resolveIds: true });
  const ids = (result: typeof sent) => result.submitted.map((task) => task.task_id);
  expect(ids(replayed)).toEqual(ids(sent));
  expect(new Set(ids(sent)).size).toBe(40);
  expect(calls('submit')).toEqual({ 200: 40 });
  expect(sandbox.stats()).toMatchObject({ tasks: 40, duplicate_charges: 0 });
});

test('bad tasks among a thousand are found by halving; the others are bought once', async () => {
  const { client, sandbox, calls } = await gateway();
  const tasks = tasksOf(1_000, 'k').map((task, n) => (n === 17 || n === 801 ? bad(task) : task));
  const result = await client.submitBatch({ tasks: tasks as ReturnType<typeof tasksOf> });
  expect(result.rejected).toMatchObject([
    { index: 17, idempotency_key: 'k-17', error: { statusCode: 400 } },
    { index: 801, idempotency_key: 'k-801', error: { statusCode: 400 } },
  ]);
  expect(result.task_count).toBe(998);
  expect(sandbox.stats().tasks).toBe(998);
  const { 400: refused = 0, 202: taken = 0 } = calls('batch');
  expect(refused + taken).toBeLessThan(50);
});

test('when no task is accepted, the refusal itself is thrown, and a shared fault costs few calls', async () => {
  const { client, calls } = await gateway();
  const one = client.submitBatch({ tasks: tasksOf(1).map(bad) as ReturnType<typeof tasksOf> });
  await expect(one).rejects.toMatchObject({ name: 'ASGGatewayHTTPError', statusCode: 400 });
  await expect(client.submitBatch({ tasks: [] })).rejects.toBeInstanceOf(ASGGatewayHTTPError);
  const unregistered = { tasks: tasksOf(1_000), callback_url: 'https://nobody.example/cb' };
  await expect(client.submitBatch(unregistered)).rejects.toMatchObject({ statusCode: 400 });
  expect(calls('batch')[400]).toBeLessThan(230);
});

test('a batch that stops midway says what was bought, and is repeated without buying twice', async () => {
  const { client, sandbox } = await gateway({ quota: 1_500 });
  await expect(client.submitBatch({ tasks: tasksOf(1_501) })).rejects.toBeInstanceOf(ASGBatchError);
  sandbox.set({ quota: 2_500 });
  const error = await client.submitBatch({ tasks: tasksOf(2_000) }).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(ASGBatchError);
  const { cause, code, result, tasks } = error as ASGBatchError;
  expect(cause).toBeInstanceOf(ASGQuotaError);
  expect(code).toBe('quota');
  expect([result.task_count, tasks.length]).toEqual([1_000, 2_000]);
  sandbox.set({ quota: null });
  const again = await client.submitBatch({ tasks });
  expect(again.task_count).toBe(2_000);
  expect(sandbox.stats()).toMatchObject({ tasks: 3_000, duplicate_charges: 0 });
  sandbox.set({ quota: 0 });
  await expect(client.submitBatch({ tasks: tasksOf(1) })).rejects.toBeInstanceOf(ASGQuotaError);
});

test('close and abort end a batch with their own reason', async () => {
  const { client } = await gateway();
  const reason = new Error('enough');
  const signal = AbortSignal.abort(reason);
  await expect(client.submitBatch({ tasks: tasksOf(1) }, { signal })).rejects.toBe(reason);
  await client.close();
  await expect(client.submitBatch({ tasks: tasksOf(1) })).rejects.toMatchObject({ code: 'closed' });
});
