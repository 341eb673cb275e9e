import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { printSettings, resolveSettings, type SettingsInput } from '../../src/config/index.js';
import { IngestError } from '../../src/lib/errors.js';

let cwd: string;
beforeEach(() => {
  cwd = mkdtempSync(path.join(tmpdir(), 'asg-config-'));
});
afterEach(() => rmSync(cwd, { recursive: true }));

const resolve = (input: Partial<SettingsInput> = {}) =>
  resolveSettings({ command: 'run', flags: {}, env: {}, cwd, ...input });

function write(name: string, content: string): void {
  mkdirSync(path.dirname(path.join(cwd, name)), { recursive: true });
  writeFileSync(path.join(cwd, name), content);
}

function messageOf(input: Partial<SettingsInput>): string {
  try {
    resolve(input);
  } catch (error) {
    expect(error).toBeInstanceOf(IngestError);
    expect(error).toMatchObject({ code: 'usage' });
    const { message, hint } = error as IngestError;
    return hint === undefined ? message : `${message} → ${hint}`;
  }
  throw new Error(`not refused: ${JSON.stringify(input)}`);
}

test('the defaults are those of the contract', () => {
  expect(resolve()).toMatchObject({
    out: null,
    runId: null,
    gatewayUrl: 'https://api.asgrefinery.io',
    apiKey: null,
    redisUrl: null,
    dataDir: path.join(cwd, '.asg-ingest'),
    prefix: 'asg',
    taskType: 'image_classification',
    labelSpec: null,
    consensusThreshold: null,
    key: 'line',
    rate: null,
    concurrency: 200,
    maxQueued: 20_000,
    maxInFlight: 100_000,
    poll: 'auto',
    pollDelayMs: 5_000,
    pollMaxDelayMs: 60_000,
    resultTimeoutMs: 24 * 3_600_000,
    until: 'settled',
    maxFailures: null,
    budget: null,
    retryForMs: 3_600_000,
    sandbox: false,
    metricsPort: null,
    metricsHost: '127.0.0.1',
    partSizeBytes: 64 * 1024 * 1024,
    partAgeMs: 300_000,
    compress: false,
  });
  expect(resolve({ command: 'work' })).toMatchObject({ metricsPort: 9_464, logLevel: 'info' });
  expect(resolve({ command: 'sandbox' }).sandboxOptions).toMatchObject({
    port: 8_081,
    settle: { minMs: 1_000, maxMs: 5_000 },
  });
});

test('each layer outranks the one below, and the origin says which one won', () => {
  const layers = (): [number | null, string | undefined] => {
    const settings = resolve({ env, flags });
    return [settings.rate, settings.origins.find(({ key }) => key === 'rate')?.from];
  };
  const env: NodeJS.ProcessEnv = {};
  const flags: Record<string, unknown> = {};
  expect(layers()).toEqual([null, 'default']);
  write('config/default.yaml', 'rate: 1');
  expect(layers()).toEqual([1, 'file config/default.yaml']);
  write('mine.json', '{"rate": 2}');
  env.ASG_CONFIG = 'mine.json';
  expect(layers()).toEqual([2, 'file mine.json']);
  write('other.yml', 'rate: 3');
  flags.config = 'other.yml';
  expect(layers()).toEqual([3, 'file other.yml']);
  env.ASG_RATE = '4';
  expect(layers()).toEqual([4, 'environment ASG_RATE']);
  flags.rate = '5';
  expect(layers()).toEqual([5, 'flag --rate']);
});

test('an empty variable and a null in a file are not set', () => {
  write('config/default.yaml', 'rate:\nconcurrency: 7');
  expect(resolve({ env: { ASG_CONCURRENCY: '' } })).toMatchObject({ rate: null, concurrency: 7 });
});

test('settings files take names in kebab-case and camelCase, typed values and text', () => {
  write(
    'config/default.yaml',
    'max-queued: 10\npollDelay: 2s\ncompress: true\noptions: [a, "b, c"]\nquestion: Which?\nmax-failures: 2.5%',
  );
  expect(resolve()).toMatchObject({
    maxQueued: 10,
    pollDelayMs: 2_000,
    compress: true,
    labelSpec: { question: 'Which?', options: ['a', 'b, c'] },
    maxFailures: { share: 0.025 },
  });
  expect(resolve({ flags: { compress: false } }).compress).toBe(false);
});

describe('a bad value is refused by the name it was written under, with what is allowed', () => {
  test.each<[Partial<SettingsInput>, string]>([
    [{ flags: { rate: 'fast' } }, '--rate: "fast" is not a number above 0'],
    [{ flags: { rate: '0' } }, '--rate: "0" is not'],
    [{ flags: { rate: '1e400' } }, '--rate: "1e400" is not'],
    [{ env: { ASG_RATE: '-1' } }, 'ASG_RATE: "-1" is not'],
    [
      { env: { ASG_METRICS_PORT: '70000' } },
      'ASG_METRICS_PORT: "70000" is not a whole number from 0 to 65535',
    ],
    [{ flags: { concurrency: '1.5' } }, '--concurrency: "1.5" is not a whole number from 1'],
    [
      { flags: { consensusThreshold: '11' } },
      '--consensus-threshold: "11" is not a whole number from 2 to 10',
    ],
    [{ flags: { pollDelay: '5' } }, '--poll-delay: "5" is not a duration like 250ms'],
    [{ flags: { partSize: '64M' } }, '--part-size: "64M" is not a size like 512KiB'],
    [{ flags: { maxFailures: '101%' } }, '--max-failures: "101%" is not a whole number or a percentage'],
    [{ flags: { until: 'done' } }, '--until: "done" is not one of verified, settled'],
    [{ flags: { runId: 'a/b' } }, '--run-id: "a/b" is not a run id'],
    [{ flags: { runId: '..' } }, '--run-id: ".." is not a run id'],
    [{ flags: { runId: 'x'.repeat(65) } }, 'is not a run id'],
    [{ flags: { prefix: 'a:b' } }, '--prefix: "a:b" is not a prefix'],
    [{ flags: { prefix: '{a}' } }, '--prefix: "{a}" is not a prefix'],
    [
      { flags: { gatewayUrl: 'ftp://x' } },
      '--gateway-url: "ftp://x" is not a URL that begins with http:// or https://',
    ],
    [{ flags: { gatewayUrl: 'api.example' } }, '--gateway-url: "api.example" is not a URL'],
    [{ flags: { out: '' } }, '--out: "" is not'],
    [{ flags: { rateLimit: 'x' } }, '--rate-limit: "x" is not'],
    [{ flags: { sandboxSettle: '5s..1s' } }, '--sandbox-settle: "5s..1s" is not a duration or a range'],
    [{ flags: { config: 'absent.yaml' } }, '--config absent.yaml: there is no such file'],
    [{ env: { ASG_CONFIG: 'absent.yaml' } }, 'ASG_CONFIG absent.yaml: there is no such file'],
    [{ flags: { config: 'settings.toml' } }, '--config settings.toml:'],
    [{ flags: { pollDelay: '2m' } }, '--poll-delay: 2m is more than --poll-max-delay, 1m'],
    [{ flags: { pollMaxDelay: '1s' } }, '--poll-delay: 5s is more than --poll-max-delay, 1s'],
    [{ flags: { question: 'Which?' } }, '--question: a question needs --options'],
    [{ flags: { options: 'a,b' } }, '--options: options need a --question'],
    [{ flags: { question: 'Which?', options: 'a' } }, '--options: "a" is one option; two at least'],
    [{ flags: { question: 'Which?', options: 'a,b,a' } }, '--options: "a" is there twice'],
    [{ flags: { question: 'Which?', options: 'a,,b' } }, '--options: "a,,b" is not a list'],
    [{ flags: { labelSpec: 'x.json', question: 'Which?' } }, '--label-spec: not together with --question'],
    [{ flags: { labelSpec: 'absent.json' } }, '--label-spec: absent.json: there is no such file'],
    [{ flags: { webhookTrust: true } }, '--webhook-trust: needs --webhook-url'],
  ])('%j', (input, message) => {
    expect(messageOf(input)).toContain(message);
  });

  test.each<[string, string, string]>([
    ['config/default.yaml', 'rate: fast', 'rate in config/default.yaml: "fast" is not a number'],
    [
      'config/default.json',
      '{"maxQueued": 1.5}',
      'maxQueued in config/default.json: 1.5 is not a whole number',
    ],
    [
      'config/default.yaml',
      'ratte: 5',
      'ratte in config/default.yaml: there is no such setting → did you mean rate?',
    ],
    ['config/default.yaml', 'poll_delay: 5s', 'did you mean poll-delay?'],
    ['config/default.yaml', 'quux-frobnicate: 5s', '`asg-ingest run --help` lists the options'],
    ['config/default.yaml', 'max-queued: 1\nmaxQueued: 2', 'the same setting as max-queued'],
    ['config/default.yaml', 'api-key: sk_live_1', 'a secret is not put in settings files; set ASG_API_KEY'],
    ['config/default.yaml', 'json: true', 'an option of the command line, --json'],
    ['config/default.yaml', '- a', 'a settings file holds one object'],
    ['config/default.yaml', 'a: [', 'not valid YAML'],
    ['config/default.json', '{', 'not valid JSON'],
  ])('%s: %s', (name, content, message) => {
    write(name, content);
    expect(messageOf({})).toContain(message);
  });

  test('two default files', () => {
    write('config/default.json', '{}');
    write('config/default.yml', '');
    expect(messageOf({})).toBe('config/default.json: there is config/default.yml too; keep one of them');
  });
});

describe('label spec', () => {
  test('from a file, relative to the working directory', () => {
    write('spec.json', '{"question": "Which?", "options": ["a", "b"], "more": 1}');
    expect(resolve({ flags: { labelSpec: 'spec.json' } }).labelSpec).toEqual({
      question: 'Which?',
      options: ['a', 'b'],
      more: 1,
    });
  });

  test('what outranks the other way wins', () => {
    write('config/default.yaml', 'question: Which?\noptions: [a, b]');
    write('spec.json', '{"question": "Other?", "options": ["c", "d"]}');
    expect(resolve({ flags: { labelSpec: 'spec.json' } }).labelSpec?.question).toBe('Other?');
    write('config/default.yaml', 'label-spec: spec.json');
    expect(resolve({ flags: { question: 'Mine?', options: 'x,y' } }).labelSpec?.question).toBe('Mine?');
  });

  test.each([
    ['{"options": ["a", "b"]}', 'its question is missing'],
    ['{"question": "Which?", "options": "a,b"}', 'its options are not a list'],
    ['{"question": "Which?", "options": ["a", ""]}', 'its options are not a list'],
    ['{"question": "Which?", "options": ["a"]}', 'two at least'],
    ['[]', 'its question is missing'],
    ['{', 'spec.json: not valid JSON'],
  ])('%s', (content, message) => {
    write('spec.json', content);
    expect(messageOf({ flags: { labelSpec: 'spec.json' } })).toContain(message);
  });
});

describe('secrets', () => {
  const env = {
    ASG_API_KEY: 'sk_live_abc',
    ASG_WEBHOOK_SECRET: 'whsec_def',
    REDIS_URL: 'redis://me:hunter22@redis.example:6379/1',
  };

  test('are revealed on request only', () => {
    const settings = resolve({ env });
    expect(settings.apiKey?.reveal()).toBe('sk_live_abc');
    expect(settings.webhookSecret?.reveal()).toBe('whsec_def');
    expect(settings.redisUrl?.reveal()).toBe(env.REDIS_URL);
    const shown = [
      inspect(settings, { depth: null }),
      JSON.stringify(settings),
      `${settings.apiKey}`,
      printSettings(settings),
    ];
    for (const text of shown)
      for (const secret of ['sk_live_abc', 'whsec_def', 'hunter22']) expect(text).not.toContain(secret);
    expect(printSettings(settings)).toMatch(
      /^redis-url +redis:\/\/\*\*\*@redis\.example:6379\/1 +environment REDIS_URL$/m,
    );
    expect(printSettings(settings)).toMatch(/^ASG_API_KEY +\*\*\* +environment ASG_API_KEY$/m);
  });

  test('the key may come from a file, trimmed; the variable outranks it', () => {
    write('key', '  sk_live_file\n');
    expect(resolve({ env: { ASG_API_KEY_FILE: 'key' } }).apiKey?.reveal()).toBe('sk_live_file');
    expect(resolve({ env: { ASG_API_KEY_FILE: 'key', ASG_API_KEY: 'sk_live_abc' } }).apiKey?.reveal()).toBe(
      'sk_live_abc',
    );
    expect(messageOf({ env: { ASG_API_KEY_FILE: 'absent' } })).toBe(
      'ASG_API_KEY_FILE: absent cannot be read (ENOENT); it is to hold the secret',
    );
    write('key', '\n');
    expect(messageOf({ env: { ASG_API_KEY_FILE: 'key' } })).toContain(
      'ASG_API_KEY_FILE: the value is not a key',
    );
  });

  test('are not in the errors about them', () => {
    expect(messageOf({ env: { ASG_API_KEY: 'sk live' } })).toBe(
      'ASG_API_KEY: the value is not a key of printable characters, without spaces and without quotes around it',
    );
    expect(messageOf({ env: { REDIS_URL: 'http://me:hunter22@x' } })).not.toContain('hunter22');
  });

  test('are not taken from flags', () => {
    expect(resolve({ flags: { apiKey: 'sk_live_abc' } }).apiKey).toBeNull();
  });
});

test('the local Gateway is set by prefixed flags and variables, and without the prefix by its own command', () => {
  const options = {
    rateLimit: 50,
    rateLimitKind: 'fixed',
    settle: { minMs: 0, maxMs: 200 },
    errorRate: 0.05,
    quota: 9,
  };
  expect(
    resolve({
      flags: { sandboxRateLimit: '50', sandboxSettle: '0..200ms', sandboxErrorRate: '5%' },
      env: { ASG_SANDBOX_RATE_LIMIT_KIND: 'fixed', ASG_SANDBOX_QUOTA: '9' },
    }).sandboxOptions,
  ).toMatchObject(options);
  expect(
    resolve({
      command: 'sandbox',
      flags: {
        port: '0',
        rateLimit: '50',
        rateLimitKind: 'fixed',
        settle: '0..200ms',
        errorRate: '0.05',
        quota: '9',
      },
    }).sandboxOptions,
  ).toMatchObject({ ...options, port: 0 });
});

test('--debug logs at debug level unless a level is given', () => {
  expect(resolve({ flags: { debug: true } }).logLevel).toBe('debug');
  expect(resolve({ flags: { debug: true, logLevel: 'warn' } }).logLevel).toBe('warn');
});
