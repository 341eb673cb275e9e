import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { Secret } from '../../src/config/index.js';
import { createLogger } from '../../src/lib/logging.js';

const KEY = 'sk_live_0123456789';

function capture(level: string, secrets: string[] = []) {
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  return { log: createLogger({ level, secrets, destination }), lines };
}

test('lines are JSON with level, time and the fields', () => {
  const { log, lines } = capture('info');
  log.info({ run: 'r1', line: 3 }, 'settled');
  log.debug('not shown');
  expect(lines).toHaveLength(1);
  const line = JSON.parse(lines[0] ?? '') as Record<string, unknown>;
  expect(line).toMatchObject({ level: 'info', run: 'r1', line: 3, msg: 'settled' });
  expect(Date.parse(String(line.time))).not.toBeNaN();
});

test.each([
  ['apiKey'],
  ['api_key'],
  ['authorization'],
  ['Authorization'],
  ['secret'],
  ['webhookSecret'],
  ['metricsToken'],
  ['credentials'],
  ['password'],
  ['redisUrl'],
])('a field named %s is masked by configuration, at any depth up to four', (field) => {
  const { log, lines } = capture('info');
  const value = field === 'credentials' ? { secret_access_key: KEY } : KEY;
  log.info({ [field]: value }, 'top');
  log.info({ headers: { [field]: value } }, 'one down');
  log.info({ a: { b: { headers: { [field]: value } } } }, 'three down');
  log.info({ a: { b: { c: { d: { [field]: value } } } } }, 'four down');
  log.child({ call: { headers: { [field]: value } } }).info('in a child');
  expect(lines).toHaveLength(5);
  for (const line of lines) {
    expect(line).toContain('***');
    expect(line).not.toContain(KEY);
  }
});

test('known secrets are masked wherever they turn up', () => {
  const odd = 'pass"word\\1';
  const { log, lines } = capture('debug', [KEY, odd]);
  log.info(`called with ${KEY}`);
  log.info({ url: `redis://me:${odd}@host` }, 'connected');
  log.error({ err: new Error(`refused ${KEY}`, { cause: new Error(KEY) }) }, 'failed');
  log.info({ deep: { in: { a: { list: [{ of: [KEY] }] } } } }, 'nested');
  const all = lines.join('');
  expect(lines).toHaveLength(4);
  expect(all).not.toContain(KEY);
  expect(all).not.toContain(odd);
  expect(all).not.toContain(JSON.stringify(odd).slice(1, -1));
  for (const line of lines) expect(() => JSON.parse(line)).not.toThrow();
});

test('a Secret is logged as its mask', () => {
  const { log, lines } = capture('info');
  log.info({ settings: { key: new Secret(KEY) } }, 'settings');
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ settings: { key: '***' } });
});

test('an error is logged without its stack and its other fields, with the stack at debug', () => {
  const error = Object.assign(new Error('no answer', { cause: new Error('reset') }), {
    code: 'ECONNRESET',
    statusCode: 502,
    request: { headers: { 'x-key': KEY } },
  });
  const info = capture('info');
  info.log.warn({ err: error }, 'call failed');
  const { err } = JSON.parse(info.lines[0] ?? '') as { err: Record<string, unknown> };
  expect(err).toEqual({
    type: 'Error',
    message: 'no answer',
    code: 'ECONNRESET',
    statusCode: 502,
    cause: { type: 'Error', message: 'reset' },
  });
  const debug = capture('debug');
  debug.log.warn({ err: error }, 'call failed');
  expect(debug.lines[0]).toContain('logging.test.ts');
  expect(debug.lines[0]).not.toContain(KEY);
});

test('what is logged just before the process exits is on its stderr', () => {
  const script = `
    import { createLogger } from './src/lib/logging.ts';
    const log = createLogger({ level: 'info', secrets: ['${KEY}'] });
    for (let i = 0; i < 1000; i++) log.info({ i, apiKey: '${KEY}' }, 'the key is ${KEY}');
    process.exit(1);`;
  const child = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    encoding: 'utf8',
  });
  const lines = child.stderr.trim().split('\n');
  expect(lines).toHaveLength(1000);
  expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ i: 999, apiKey: '***', msg: 'the key is ***' });
  expect(child.stderr).not.toContain(KEY);
  expect(child.stdout).toBe('');
});
