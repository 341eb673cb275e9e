import { expect, test } from 'vitest';
import { buildProgram, type CommandContext, type CommandDefinition } from '../../src/cli/program.js';
import { options, sandboxCommandKeys } from '../../src/config/index.js';
import { ASGAuthError } from '../../src/gateway/errors.js';
import { IngestError, type IngestErrorCode, usageError } from '../../src/lib/errors.js';
import { callMain } from './harness.js';

const KEY = 'sk_live_0123456789';

/** A command that gives its context to the test and exits with the given status. */
function probe(
  run: (context: CommandContext) => number | Promise<number>,
  keys = ['rate', 'options', 'question', 'compress', 'debug', 'logLevel', 'printConfig', 'json'],
) {
  const definition: CommandDefinition = {
    name: 'run',
    describe: 'ingest a manifest',
    args: [{ name: 'manifest', describe: 'a path', required: true }],
    options: keys,
    examples: ['asg-ingest run animals.jsonl'],
    run: async (context) => run(context),
  };
  return { run: definition };
}

async function contextOf(argv: string[], env: NodeJS.ProcessEnv = {}): Promise<CommandContext> {
  let seen: CommandContext | undefined;
  const take = (context: CommandContext) => {
    seen = context;
    return 0;
  };
  const { stderr } = await callMain(argv, probe(take), { env });
  if (seen === undefined) throw new Error(`the command did not run: ${stderr}`);
  return seen;
}

const throwing = (error: unknown) =>
  probe(() => {
    throw error;
  });

test('a command gets its settings, arguments and flags, and its status is the exit status', async () => {
  const { settings, args, flags } = await contextOf(['run', '-', '--rate', '5', '--no-compress'], {
    ASG_API_KEY: KEY,
  });
  expect(settings).toMatchObject({ rate: 5, compress: false });
  expect(settings.apiKey?.reveal()).toBe(KEY);
  expect(args).toEqual(['-']);
  expect(flags).toEqual({ rate: '5', compress: false });
  expect(
    (
      await callMain(
        ['run', 'x'],
        probe(() => 3),
      )
    ).status,
  ).toBe(3);
});

test.each([
  [['--options', 'a,b, c']],
  [['--option', 'a', '--option', 'b', '--option', 'c']],
  [['--options', 'a,b', '--option', 'c']],
  [['--options', 'a', '--options', 'b,c']],
])('%j are the same labels', async (flags) => {
  const { settings } = await contextOf(['run', 'x', '--question', 'Which?', ...flags]);
  expect(settings.labelSpec).toEqual({ question: 'Which?', options: ['a', 'b', 'c'] });
});

test('--option takes a label with a comma as it is', async () => {
  const { settings } = await contextOf([
    'run',
    'x',
    '--question',
    'Which?',
    '--option',
    'yes, it is',
    '--option',
    'no',
  ]);
  expect(settings.labelSpec?.options).toEqual(['yes, it is', 'no']);
});

test.each([
  [['run'], "missing required argument 'manifest'"],
  [['rnu', 'x'], "unknown command 'rnu'\n  → did you mean run?"],
  [['run', 'x', '--rat', '5'], "unknown option '--rat'\n  → did you mean --rate?"],
  [['run', 'x', '--rate'], "option '--rate <n|n/s,n/d>' argument missing"],
  [['run', 'x', 'y'], 'was given "y" as well'],
  [['run', 'x', '--rate', 'fast'], '--rate: "fast" is not a number'],
  [['run', 'x', '--api-key', KEY], "unknown option '--api-key'"],
])('%j is bad usage: exit 2 and the reason on stderr', async (argv, message) => {
  const { status, stdout, stderr } = await callMain(
    argv,
    probe(() => 0),
  );
  expect(status).toBe(2);
  expect(stderr).toMatch(/^asg-ingest: /);
  expect(stderr).toContain(message);
  expect(stderr).not.toContain('    at ');
  expect(stdout).toBe('');
});

test('no command at all shows the help, exit 2; --help and --version exit 0 on stdout', async () => {
  const none = await callMain(
    [],
    probe(() => 0),
  );
  expect(none).toMatchObject({ status: 2, stdout: '' });
  expect(none.stderr).toContain('Usage: asg-ingest');
  const help = await callMain(
    ['--help'],
    probe(() => 0),
  );
  expect(help).toMatchObject({ status: 0, stderr: '' });
  expect(help.stdout).toContain('ingest a manifest');
  const runHelp = await callMain(
    ['run', '--help'],
    probe(() => 0),
  );
  expect(runHelp.status).toBe(0);
  for (const text of ['--rate <n|n/s,n/d>', 'ASG_RATE', 'asg-ingest run animals.jsonl'])
    expect(runHelp.stdout).toContain(text);
  const version = await callMain(
    ['--version'],
    probe(() => 0),
  );
  expect(version.status).toBe(0);
  expect(version.stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});

test.each<[IngestErrorCode, number]>([
  ['usage', 2],
  ['manifest', 2],
  ['manifest_changed', 2],
  ['source_changed', 1],
  ['redis', 1],
  ['sandbox', 1],
  ['sink', 1],
  ['internal', 1],
])('an IngestError %s exits %i', async (code, expected) => {
  const error = new IngestError(code, 'it broke', { hint: 'correct it' });
  const { status, stderr } = await callMain(['run', 'x'], throwing(error));
  expect(status).toBe(expected);
  expect(stderr).toBe('asg-ingest: it broke\n  → correct it\n');
});

test('what the machine lacks is said with what to do', async () => {
  const error = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
  const { status, stderr } = await callMain(['run', 'x'], throwing(error));
  expect(status).toBe(1);
  expect(stderr).toMatch(
    /^asg-ingest: ENOSPC: no space left on device, write\n {2}→ make room where the results/,
  );
});

test('other errors exit 1, with the stack and its causes under --debug only', async () => {
  const error = new Error('it broke', { cause: new TypeError('the reason') });
  const plain = await callMain(['run', 'x'], throwing(error));
  expect(plain.status).toBe(1);
  expect(plain.stderr).toBe('asg-ingest: it broke\n  → not expected; --debug shows where it comes from\n');
  const debug = await callMain(['run', 'x', '--debug'], throwing(error));
  expect(debug.status).toBe(1);
  expect(debug.stderr).toContain('program.test.ts');
  expect(debug.stderr).toContain('TypeError: the reason');
  const refused = await callMain(
    ['run', 'x'],
    throwing(new ASGAuthError('invalid API key', 401, {}, undefined)),
  );
  expect(refused.stderr).toMatch(/^asg-ingest: the Gateway: invalid API key\n {2}→ /);
  expect((await callMain(['run', 'x'], throwing(new AggregateError([], '')))).stderr).toContain(
    'AggregateError',
  );
});

test('secrets are in no output, an error that quotes them and the log included', async () => {
  const env = { ASG_API_KEY: KEY, REDIS_URL: 'redis://me:hunter22@host' };
  const leaky = probe(({ log, settings }) => {
    log.error({ settings, authorization: KEY }, `key ${KEY}`);
    throw usageError('REDIS_URL', `cannot reach ${settings.redisUrl?.reveal()} with ${KEY}`);
  });
  for (const argv of [
    ['run', 'x'],
    ['run', 'x', '--debug'],
    ['run', '--print-config'],
  ]) {
    const { stdout, stderr } = await callMain(argv, leaky, { env });
    expect(stdout + stderr).toContain('***');
    expect(stdout + stderr).not.toContain(KEY);
    expect(stdout + stderr).not.toContain('hunter22');
  }
});

test('--print-config prints the settings of the command and where they come from, and runs nothing', async () => {
  let ran = false;
  const commands = probe(() => {
    ran = true;
    return 0;
  });
  const { status, stdout } = await callMain(['run', '--print-config', '--rate', '5'], commands);
  expect(status).toBe(0);
  expect(ran).toBe(false);
  expect(stdout).toMatch(/^rate +5\/s +flag --rate$/m);
  expect(stdout).toMatch(/^compress +false +default$/m);
  expect(stdout).not.toMatch(/^concurrency/m);
});

test('subcommands are called by both names', async () => {
  const call = async (argv: string[]) => {
    const get: CommandDefinition = {
      name: 'get',
      describe: 'one task',
      args: [{ name: 'id', describe: 'task id', required: true }],
      options: ['json'],
      run: async ({ args, settings, io }) => {
        io.stdout.write(`${args[0]} ${settings.json}`);
        return 0;
      },
    };
    return callMain(argv, { task: { name: 'task', describe: 'tasks', options: [], subcommands: { get } } });
  };
  expect(await call(['task', 'get', 'tsk_1', '--json'])).toEqual({
    status: 0,
    stdout: 'tsk_1 true',
    stderr: '',
  });
  expect((await call(['task'])).status).toBe(2);
  expect(await call(['task', 'gte', 'x'])).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('did you mean get?'),
  });
});

test('every option of the table can be a flag, but for the secrets', () => {
  const flags = Object.entries(options)
    .filter(([, { only }]) => only !== 'env')
    .map(([key]) => key);
  const commands = {
    ...probe(() => 0, flags),
    sandbox: { name: 'sandbox', describe: 'local', options: sandboxCommandKeys },
  };
  const [run, sandbox] = buildProgram(commands).commands;
  expect(run?.options.map(({ long }) => long)).toEqual(
    expect.arrayContaining(['--poll-delay', '--sandbox-rate-limit', '--option']),
  );
  expect(sandbox?.options.map(({ long }) => long)).toEqual(
    expect.arrayContaining(['--port', '--rate-limit', '--settle']),
  );
  expect(() => buildProgram(probe(() => 0, ['apiKey']))).toThrow('secret');
  expect(() => buildProgram(probe(() => 0, ['nonesuch']))).toThrow('nonesuch');
});
