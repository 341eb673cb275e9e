import { expect, test } from 'vitest';
import { startCli } from '../pipeline/cli.js';
import { tempDir, until } from '../pipeline/harness.js';

test('a command whose Redis does not answer says so while it waits', async () => {
  const process = startCli(['runs', '--redis-url', 'redis://:secret@127.0.0.1:1'], { cwd: await tempDir() });
  let said = '';
  process.child.stderr?.on('data', (chunk) => {
    said += chunk;
  });
  await until(() => said.includes('Redis does not answer, and is waited for'), 'a word about Redis');
  expect(said).toContain('ECONNREFUSED');
  expect(said).not.toContain('secret');
});
