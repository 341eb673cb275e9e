import { execFile } from 'node:child_process';
import { chmod, chown, lchown, lstat, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { promisify } from 'node:util';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { report } from '../../src/cli/commands/report.js';
import { openManifest, readLines } from '../../src/manifest/index.js';
import { openEmbeddedRedis } from '../../src/redis/embedded.js';
import { openSink } from '../../src/results/sink.js';
import { createRun } from '../../src/runs/record.js';
import { openLocalGateway } from '../../src/sandbox/shared-gateway.js';
import { callMain } from '../cli/harness.js';
import { pipelineTo } from '../pipeline/harness.js';
import { start, task, tempDir, until } from '../sandbox/client.js';
import { testRedis } from '../setup/redis-target.js';
import { shownRun } from '../web/pages/runs.js';

const log = pino({ level: 'silent' });
const permissions = async (file: string) => ((await lstat(file)).mode & 0o777).toString(8);

test('what is kept of standard input is readable to its owner alone, whatever the umask', async () => {
  const before = process.umask(0);
  onTestFinished(() => void process.umask(before));
  const spoolDir = path.join(await tempDir(), 'data', 'spool');
  const stdin = new PassThrough();
  const manifest = await openManifest('-', { stdin, spoolDir });
  stdin.end('{"data_url":"https://images.example.org/1.jpg"}\n');
  for (const source of manifest.sources)
    for await (const _lines of readLines(source, { line: 0, offset: 0 })) {
      // Read to the end, so that all of it is kept.
    }
  const [spool = ''] = await readdir(spoolDir);
  expect(await permissions(path.join(spoolDir, spool))).toBe('600');
  expect(await permissions(spoolDir)).toBe('700');
});

test('webhook secrets are sealed in the journal, and still sign after a restart', async () => {
  const dir = await tempDir();
  const secret = 'a-webhook-secret-0123';
  const { createServer } = await import('node:http');
  const signatures: unknown[] = [];
  const receiver = createServer((request, response) => {
    signatures.push(request.headers['x-asg-signature']);
    request.resume();
    response.end();
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void receiver.close().closeAllConnections());
  const address = receiver.address();
  const callback_url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/hook`;
  const first = await start({ dir });
  await first.post('/v1/webhooks', { callback_url, secret });
  await first.close();
  const journal = path.join(dir, 'journal.jsonl');
  expect(await readFile(journal, 'utf8')).not.toContain(secret);
  for (const name of await readdir(dir)) expect(await permissions(path.join(dir, name)), name).toBe('600');
  const second = await start({ dir });
  expect((await second.post('/v1/tasks', task(1, { callback_url }))).status).toBe(202);
  await until(() => signatures.length === 1, 'the delivery');
  expect(signatures[0]).toMatch(/^sha256=[0-9a-f]{64}$/);
});

test('a folder that somebody else has made, or may write to, is not joined', async () => {
  const openers = {
    redis: (dataDir: string) => openEmbeddedRedis(dataDir, { log }),
    sandbox: (dataDir: string) => openLocalGateway(dataDir, { log }),
  };
  for (const [name, open] of Object.entries(openers)) {
    const dataDir = await tempDir();
    await mkdir(path.join(dataDir, name));
    await chmod(path.join(dataDir, name), 0o777);
    await expect(open(dataDir)).rejects.toMatchObject({
      code: name,
      message: expect.stringContaining('others may write'),
    });
    if (process.getuid?.() !== 0) continue;
    await chmod(path.join(dataDir, name), 0o700);
    await chown(path.join(dataDir, name), 12_345, 12_345);
    await expect(open(dataDir)).rejects.toMatchObject({ code: name });
  }
});

test('a data directory that somebody else may change is not used; a link of somebody else is not followed', async () => {
  const openers = {
    redis: (dataDir: string) => openEmbeddedRedis(dataDir, { log }),
    sandbox: (dataDir: string) => openLocalGateway(dataDir, { log }),
  };
  for (const [name, open] of Object.entries(openers)) {
    const refused = (dataDir: string) =>
      expect(open(dataDir), name).rejects.toMatchObject({
        code: name,
        message: expect.stringContaining('others may write'),
      });
    const dataDir = await tempDir();
    await chmod(dataDir, 0o777);
    await refused(dataDir);
    // As the system's temporary folder: nobody moves what is another's, but anybody may have put a link there before.
    await chmod(dataDir, 0o1777);
    if (process.getuid?.() !== 0) continue;
    const elsewhere = await tempDir();
    await symlink(elsewhere, path.join(dataDir, name));
    await lchown(path.join(dataDir, name), 12_345, 12_345);
    await refused(dataDir);
    expect(await readdir(elsewhere)).toEqual([]);
  }
});

test('a link with the name that a report has by itself is not followed', async () => {
  const cwd = await tempDir();
  const { redis, prefix } = await pipelineTo('http://127.0.0.1:1');
  const { record } = shownRun();
  await createRun(redis, prefix, { ...record, id: 'r', manifest: { ...record.manifest, sources: ['a'] } });
  const victim = path.join(await tempDir(), 'victim');
  await writeFile(victim, 'untouched');
  await symlink(victim, path.join(cwd, 'report-r.html'));
  const env = { REDIS_URL: `unix://${testRedis().socketPath}`, ASG_PREFIX: prefix };
  expect(await callMain(['report', 'r'], { report }, { env, cwd })).toMatchObject({ status: 2 });
  expect(await readFile(victim, 'utf8')).toBe('untouched');
});

test("another user of the machine does not reach the embedded Redis' socket", async () => {
  const dataDir = await tempDir();
  const redis = await openEmbeddedRedis(dataDir, { log });
  onTestFinished(() => redis.close());
  expect(await permissions(path.dirname(redis.socketPath))).toBe('700');
  expect(await permissions(redis.socketPath)).toBe('700');
  if (process.getuid?.() !== 0) return;
  // Really another user, who may enter the data directory itself.
  await chmod(dataDir, 0o755);
  const tried = (uid: number) =>
    promisify(execFile)(
      process.execPath,
      [
        '-e',
        `require('node:net').connect(process.argv[1])
          .on('connect', () => { console.log('connected'); process.exit(); })
          .on('error', ({ code }) => { console.log(code); process.exit(); });`,
        redis.socketPath,
      ],
      { uid, gid: uid, cwd: '/' },
    ).then(({ stdout }) => stdout.trim());
  expect(await tried(0)).toBe('connected');
  expect(await tried(65_534)).toBe('EACCES');
});

test('links that were put in the way of a part, the summary and the marker are replaced, not followed', async () => {
  const [dir, elsewhere] = [await tempDir(), await tempDir()];
  const victim = path.join(elsewhere, 'victim');
  await writeFile(victim, 'untouched');
  const part = 'results-r-00001.jsonl';
  for (const name of [part, 'summary.json']) await symlink(victim, path.join(dir, name));
  const sink = openSink(dir);
  await sink.claim({ id: 'r', sinkId: 's' });
  await sink.writePart(
    part,
    (async function* rows() {
      yield Buffer.from('{}\n');
    })(),
  );
  await sink.writeSummary('{}');
  expect(await readFile(victim, 'utf8')).toBe('untouched');
  for (const name of [part, 'summary.json'])
    expect((await lstat(path.join(dir, name))).isSymbolicLink(), name).toBe(false);
});
