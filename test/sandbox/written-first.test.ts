import { readFileSync } from 'node:fs';
import path from 'node:path';
import { request } from 'undici';
import { expect, test } from 'vitest';
import { openJournal, replay } from '../../src/sandbox/journal.js';
import { KEY, start, task, tempDir } from './client.js';

test('what was appended is in the file before what waits for it runs', async () => {
  const file = path.join(await tempDir(), 'journal.jsonl');
  const journal = openJournal(file);
  journal.append('1');
  journal.append('2');
  const seen = await new Promise((resolve) => {
    journal.whenWritten(() => resolve(readFileSync(file, 'utf8')));
  });
  expect(seen).toBe('1\n2\n');
  journal.append('3');
  journal.close();
  const values: unknown[] = [];
  replay(file, (value) => values.push(value));
  expect(values).toEqual([1, 2, 3]);
});

test('a 202 leaves only after its task is in the file', async () => {
  const dir = await tempDir();
  const { url } = await start({ dir });
  const file = path.join(dir, 'journal.jsonl');
  const keys = Array.from({ length: 50 }, (_, n) => `key-${n}`);
  await Promise.all(
    keys.map(async (idempotency_key, n) => {
      const body = JSON.stringify(task(n, { idempotency_key }));
      const headers = { authorization: `Bearer ${KEY}` };
      const answer = await request(`${url}/v1/tasks`, { method: 'POST', headers, body });
      expect(readFileSync(file, 'utf8')).toContain(`"${idempotency_key}"`);
      await answer.body.dump();
    }),
  );
});
