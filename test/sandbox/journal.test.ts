import { appendFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { call, recorded, spawnSandbox, start, task, tempDir } from './client.js';

test('kill -9 under load: every task that was answered is there again, settling when it would have', async () => {
  const dir = await tempDir();
  const first = await spawnSandbox({ dir, settle: { minMs: 600_000, maxMs: 900_000 } });
  const answered = new Map<string, string>();
  let n = 0;
  const submitters = Array.from({ length: 20 }, async () => {
    try {
      for (;;) {
        n += 1;
        const key = `k${n}`;
        const { status, body } = await call(
          first.url,
          'POST',
          '/v1/tasks',
          task(n, { idempotency_key: key }),
        );
        if (status === 202) answered.set(key, body.task_id);
        if (answered.size === 300) await first.end('SIGKILL');
      }
    } catch {
      // Its server is dead.
    }
  });
  await Promise.all(submitters);
  expect(answered.size).toBeGreaterThanOrEqual(300);

  const second = await spawnSandbox({ dir, settle: { minMs: 0, maxMs: 0 } });
  const tasks = new Map((await recorded(second.url)).map((each) => [each.idempotency_key, each.task_id]));
  for (const [key, id] of answered) expect(tasks.get(key)).toBe(id);
  const again = await call(second.url, 'POST', '/v1/tasks', task(1, { idempotency_key: 'k1' }));
  expect(again).toMatchObject({ status: 200, body: { idempotent: true } });
  expect((await call(second.url, 'GET', `/v1/tasks/${again.body.task_id}/result`)).status).toBe(202);
  expect((await call(second.url, 'GET', '/v1/customers/me')).body.label_quota).toBe(10_000_000 - tasks.size);
}, 120_000);

test('customers, webhooks and their deletion are kept', async () => {
  const dir = await tempDir();
  const before = await start({ dir });
  const { api_key } = (await before.post('/v1/customers', { name: 'Ada', email: 'ada@example.org' }, null))
    .body;
  const hook = (name: string) => ({ callback_url: `https://example.org/${name}`, secret: 's' });
  const gone = (await before.post('/v1/webhooks', hook('gone'))).body;
  const kept = (await before.post('/v1/webhooks', hook('kept'))).body;
  await before.delete(`/v1/webhooks/${gone.webhook_id}`);
  const { task_id } = (await before.post('/v1/tasks', task())).body;
  const result = (await before.get(`/v1/tasks/${task_id}/result`)).body;
  await before.close();

  const after = await start({ dir });
  expect((await after.get('/v1/customers/me', api_key)).body.name).toBe('Ada');
  expect((await after.get('/v1/webhooks')).body).toEqual([kept]);
  expect((await after.get(`/v1/tasks/${task_id}/result`)).body).toEqual(result);
});

test('a last line that was torn is dropped, and what follows is kept', async () => {
  const dir = await tempDir();
  const before = await start({ dir });
  await before.post('/v1/tasks', task(1, { idempotency_key: 'whole' }));
  await before.close();
  await appendFile(path.join(dir, 'journal.jsonl'), '["t",0,0,17');
  const between = await start({ dir });
  await between.post('/v1/tasks', task(2, { idempotency_key: 'next' }));
  await between.close();
  const after = await start({ dir });
  expect((await recorded(after.url)).map((each) => each.idempotency_key)).toEqual(['whole', 'next']);
});
