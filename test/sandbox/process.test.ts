import { expect, test } from 'vitest';
import { spawnSandbox } from './client.js';

test('SIGTERM ends the process cleanly', async () => {
  const sandbox = await spawnSandbox({});
  expect(await sandbox.end('SIGTERM')).toBe(0);
});
