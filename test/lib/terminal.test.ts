import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { expect, onTestFinished, test } from 'vitest';
import { job } from '../../src/cli/commands/gateway/job.js';
import { task } from '../../src/cli/commands/gateway/task.js';
import { results } from '../../src/cli/commands/results.js';
import { run } from '../../src/cli/commands/run.js';
import { runs } from '../../src/cli/commands/runs.js';
import { status } from '../../src/cli/commands/status.js';
import { type CommandDefinition, main } from '../../src/cli/program.js';
import { createProgress } from '../../src/cli/progress.js';
import { createLogger } from '../../src/lib/logging.js';
import { plain, plainLines } from '../../src/lib/terminal.js';
import { callMain, collector } from '../cli/harness.js';
import { API_KEY, sandbox, tempDir, writeManifest } from '../pipeline/harness.js';
import { startRedisServer } from '../setup/redis-server.js';
import { shownRun } from '../web/pages/runs.js';

/** Renames the window, clears the screen, hides itself, forges a line, turns the direction; C0, DEL and C1. */
const EVIL =
  'a\u001b]0;pwned\u0007b\u001b[2J\u001b[8mc\r\nasg-ingest: all is well\u009b2Jd\u0085e\u007ff\u202eg\u0000\b';
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it is about.
const RAW = /[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;

/** No control but line ends, and no line that the text has forged. */
function expectPlain(text: string): void {
  expect(RAW.exec(text)?.index, text).toBeUndefined();
  expect(text).not.toMatch(/^asg-ingest: all is well/m);
}

test('every control is escaped as JSON would; letters of all scripts stay', () => {
  const all = Array.from({ length: 0xa0 }, (_, code) => String.fromCharCode(code)).join('');
  expectPlain(plain(all));
  expect(JSON.parse(`"${plain(all.replace(/["\\]/g, ''))}"`)).toBe(all.replace(/["\\]/g, ''));
  expect(plain('\u001b[31m\n')).toBe('\\u001b[31m\\n');
  for (const text of ['Größe 猫 🐈 עברית', 'a\u00a0b']) expect(plain(text)).toBe(text);
  expect(plainLines('\u001b[31mred\u001b[39m\n\tnext\u001b[2J\u001b]0;x\u0007')).toBe(
    '\u001b[31mred\u001b[39m\n\tnext\\u001b[2J\\u001b]0;x\\u0007',
  );
});

test('a log line is one line of JSON without controls, C1 among them', () => {
  const written: string[] = [];
  const log = createLogger({ level: 'info', destination: { write: (line) => void written.push(line) } });
  log.info({ label: EVIL }, EVIL);
  expect(written).toHaveLength(1);
  expectPlain(written[0] ?? '');
  expect(JSON.parse(written[0] ?? '')).toMatchObject({ label: EVIL, msg: EVIL });
});

/** A Gateway whose every text is hostile. */
async function hostileGateway(statusCode: number, answer: object) {
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(statusCode, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close().closeAllConnections());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** On a terminal: with its live display and its colors. */
async function onTerminal(
  argv: string[],
  commands: Record<string, CommandDefinition>,
  env: NodeJS.ProcessEnv,
  cwd: string,
) {
  const [out, err] = [collector(), collector()];
  Object.assign(out.stream, { isTTY: true, columns: 100 });
  Object.assign(err.stream, { isTTY: true, columns: 100 });
  const io = { stdout: out.stream, stderr: err.stream, stdin: new PassThrough(), env, cwd };
  const code = await main(argv, io, commands);
  return { code, stdout: out.text(), stderr: err.text() };
}

test("the Gateway's errors and answers, on a pipe and on a terminal", async () => {
  const cwd = await tempDir();
  const asked = async (url: string) => {
    const env = { ASG_API_KEY: API_KEY, ASG_BASE_URL: url };
    for (const argv of [
      ['task', 'get', 'tsk_1'],
      ['job', 'get', 'job_1'],
      ['task', 'get', 'tsk_1', '--debug'],
    ]) {
      const piped = await callMain(argv, { task, job }, { env, cwd });
      expectPlain(piped.stdout + piped.stderr);
      const shown = await onTerminal(argv, { task, job }, env, cwd);
      expectPlain(shown.stdout + shown.stderr);
    }
    return onTerminal(['task', 'get', 'tsk_1', '--json'], { task }, env, cwd);
  };
  await asked(await hostileGateway(400, { error: EVIL }));
  const answer = {
    task_id: EVIL,
    job_id: EVIL,
    status: EVIL,
    [EVIL]: EVIL,
    list: [EVIL],
    object: { [EVIL]: EVIL },
  };
  const { stdout } = await asked(await hostileGateway(200, answer));
  expectPlain(stdout);
  expect(JSON.parse(stdout)).toMatchObject({ [EVIL]: EVIL });
});

test('messages of a run on the live display, by lines and as notes', async () => {
  for (const mode of ['live', 'lines'] as const) {
    const { stream, text } = collector();
    const progress = await createProgress({ mode, stderr: stream });
    progress.update(shownRun({ state: 'blocked', reason: 'quota', message: EVIL }).status);
    progress.note(EVIL);
    progress.stop();
    // What draws the display moves the cursor itself.
    for (const harm of ['pwned\u0007', '\u001b]', '\u001b[2J', '\u001b[8m', '\u009b', '\u202e'])
      expect(text().includes(harm), JSON.stringify(harm)).toBe(false);
    expect(text()).not.toMatch(/^asg-ingest: all is well/m);
    expect(text()).toContain('pwned');
  }
});

test('a whole run: labels, metadata, options, file names and errors of a manifest, in every command that shows them', async () => {
  const dir = await tempDir();
  const { port, server, redis } = await startRedisServer(dir);
  onTestFinished(() => {
    redis.disconnect();
    server.kill('SIGKILL');
  });
  const gateway = await sandbox();
  const env = { ASG_API_KEY: API_KEY, REDIS_URL: `redis://127.0.0.1:${port}`, ASG_BASE_URL: gateway.url };
  const item = JSON.stringify({ data_url: 'https://images.example.org/1.jpg', metadata: { name: EVIL } });
  // C1 and DEL may stand in JSON as they are.
  const rawC1 = JSON.stringify({ data_url: 'https://images.example.org/2.jpg', metadata: '\u009b2J\u007f' });
  const manifest = await writeManifest(dir, [
    item,
    rawC1,
    // A byte of zero would make the whole file one of binary data, and be refused before the run.
    EVIL.replace(/[\r\n\0]/g, ''),
    `{"data_url":"${'\u009b'}"}`,
  ]);
  const labels = ['--option', EVIL, '--option', `${EVIL}2`, '--question', EVIL];
  const flags = ['--run-id', 'r', '--out', path.join(dir, 'out'), '--poll-delay', '50ms', '--debug'];
  const first = await onTerminal(['run', manifest, ...flags, ...labels], { run }, env, dir);
  expect(first.code, first.stderr).toBe(3);
  const commands = { status, runs, results };
  const printed = [first.stdout];
  for (const argv of [
    ['status', 'r'],
    ['status', 'r', '--json'],
    ['runs'],
    ['results', 'r'],
    ['status', EVIL],
  ])
    printed.push(...Object.values(await onTerminal(argv, commands, env, dir)).map(String));
  // Colors are the summary's own.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it is about.
  for (const text of printed) expectPlain(text.replace(/\x1b\[\d+m/g, ''));
  expect(printed.join('')).toContain('\\u001b]0;pwned\\u0007');
  // Piped on, results are what the parts hold.
  const piped = await callMain(['results', 'r'], commands, { env, cwd: dir });
  expect(piped.stdout).toContain('\u009b2J');
});
