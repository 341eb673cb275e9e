import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { startSandbox } from '../../src/sandbox/index.js';
import { createSealer } from '../../src/sandbox/jobs/seal.js';

const KEY = randomBytes(32).toString('hex');

test('what was sealed is opened under the same key, about the same thing, and only unchanged', () => {
  const sealed = createSealer(KEY).seal('a secret ✓', 'job_1');
  expect(createSealer(KEY.toUpperCase()).open(sealed, 'job_1')).toBe('a secret ✓');
  expect(() => createSealer(KEY).open(sealed, 'job_2')).toThrow();
  expect(() => createSealer(randomBytes(32).toString('hex')).open(sealed, 'job_1')).toThrow();
  expect(() => createSealer(undefined).open(sealed, 'job_1')).toThrow();
  const bytes = Buffer.from(sealed, 'base64');
  for (let at = 0; at < bytes.length; at += 1) {
    const changed = Buffer.from(bytes);
    changed[at] = (changed[at] ?? 0) ^ 1;
    expect(() => createSealer(KEY).open(changed.toString('base64'), 'job_1')).toThrow();
  }
  expect(() => createSealer(KEY).open(bytes.subarray(0, 20).toString('base64'), 'job_1')).toThrow();
});

test('each sealing has a nonce of its own', () => {
  const sealer = createSealer(KEY);
  const all = Array.from({ length: 200 }, () => Buffer.from(sealer.seal('the same', 'job_1'), 'base64'));
  expect(new Set(all.map((bytes) => bytes.toString('hex', 0, 12))).size).toBe(200);
});

test.each(['short', KEY.slice(1), `${KEY}00`, KEY.replace(/./, 'g'), ` ${KEY}`])(
  'the key %j is refused at start, without being repeated',
  async (key) => {
    const error: Error = await startSandbox({ port: 0 }, key).then(
      () => new Error('it started'),
      (caught: Error) => caught,
    );
    expect(error).toMatchObject({ name: 'IngestError', code: 'usage' });
    expect(error.message).toContain('ASG_ENCRYPTION_KEY');
    expect(error.message).not.toContain(key);
  },
);
