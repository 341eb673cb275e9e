import { appendFile, mkdir, rm, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { runKeys } from '../../src/runs/keys.js';
import { loadRun } from '../../src/runs/record.js';
import {
  boughtTasks,
  ingestion,
  line,
  linesIn,
  numbered,
  pipelineTo,
  readOut,
  runLines,
  sandbox,
  tempDir,
  until,
  writeManifest,
} from './harness.js';

describe('a manifest in, every line settled or explained', () => {
  test('each line ends once, in a part, and the summary adds up', async () => {
    const gateway = await sandbox();
    const dir = await tempDir();
    const lines = [
      ...numbered(120),
      '{"data_url":',
      '',
      line(122, { data_url: 'ftp://x/y' }),
      ...numbered(3),
    ];
    const manifest = await writeManifest(dir, lines);
    const pipeline = await pipelineTo(gateway.url);

    const { summary, blocked } = await runLines(pipeline, dir, manifest);

    expect(blocked).toBeNull();
    expect(summary).toMatchObject({ state: 'completed', lines: 125, settled: 123, failed: 2 });
    expect(summary).toMatchObject({
      manifest: { digest: expect.stringMatching(/^[0-9a-f]{32}$/) },
      spec_digest: expect.stringMatching(/^[0-9a-f]{16}$/),
    });
    expect(summary.failures).toEqual({ invalid_json: 1, invalid_line: 1 });
    const { results, failures, summary: written } = await readOut(path.join(dir, 'out'));
    expect(written).toEqual(JSON.parse(JSON.stringify(summary)));
    const seen = [...results, ...failures].map((row) => row.line).sort((a, b) => a - b);
    expect(seen).toEqual([...Array(120).keys()].map((n) => n + 1).concat(121, 123, 124, 125, 126));
    expect(failures.map((row) => row.stage)).toEqual(['manifest', 'manifest']);
    expect((await boughtTasks(gateway.url)).length).toBe(123);
    const row = results.find((each) => each.line === 7);
    expect(row).toMatchObject({
      source: null,
      data_url: 'https://images.example.org/7.jpg',
      metadata: { n: 7 },
      settled_by: 'poll',
      status: 'settled',
    });
    expect(Object.values(row ?? {}).every((value) => value !== undefined)).toBe(true);
    expect(summary.parts.reduce((sum, part) => sum + part.rows, 0)).toBe(125);
  });

  test('the same command again reports the ended run and sends nothing', async () => {
    const { gateway, dir, manifest, pipeline } = await ingestion(20);
    const first = await runLines(pipeline, dir, manifest);
    const calls = JSON.stringify(gateway.stats());
    const second = await runLines(pipeline, dir, manifest);
    expect(second.summary).toEqual(first.summary);
    expect(JSON.stringify(gateway.stats())).toBe(calls);
    // The same from the summary alone, when Redis has lost everything.
    const elsewhere = await pipelineTo(gateway.url, {});
    const third = await runLines(elsewhere, dir, manifest);
    expect(third.summary.settled).toBe(20);
    expect((await boughtTasks(gateway.url)).length).toBe(20);
  });

  test('several sources: numbered each from 1, named on every row', async () => {
    const gateway = await sandbox();
    const dir = await tempDir();
    await mkdir(path.join(dir, 'in'));
    await writeManifest(path.join(dir, 'in'), numbered(5), 'b.jsonl');
    await writeManifest(
      path.join(dir, 'in'),
      numbered(5).map((each, i) => ({ ...each, data_url: `https://other/${i}` })),
      'a.jsonl',
    );
    const pipeline = await pipelineTo(gateway.url);
    const { summary } = await runLines(pipeline, dir, `${path.join(dir, 'in')}/`);
    expect(summary).toMatchObject({ lines: 10, settled: 10 });
    const { results } = await readOut(path.join(dir, 'out'));
    const places = results.map((row) => `${path.basename(row.source ?? '')}:${row.line}`).sort();
    expect(places).toEqual(['a', 'b'].flatMap((name) => [1, 2, 3, 4, 5].map((n) => `${name}.jsonl:${n}`)));
  });
});

describe('keys', () => {
  test.each(['content', 'metadata.sku'])(
    '--key %s: two lines with one key are one task and two results',
    async (key) => {
      const gateway = await sandbox();
      const dir = await tempDir();
      const twin = line(1, { metadata: { sku: 'A' } });
      const manifest = await writeManifest(dir, [twin, twin, line(2, { metadata: { sku: 'B' } })]);
      const pipeline = await pipelineTo(gateway.url);
      const { summary } = await runLines(pipeline, dir, manifest, { key });
      expect(summary).toMatchObject({ lines: 3, settled: 3 });
      expect((await boughtTasks(gateway.url)).length).toBe(2);
      // A grown manifest pays only for what is new.
      await appendFile(manifest, `${JSON.stringify(line(3, { metadata: { sku: 'C' } }))}\n`);
      const grown = await runLines(pipeline, dir, manifest, { key, out: path.join(dir, 'out2') });
      expect(grown.summary).toMatchObject({ lines: 4, settled: 4 });
      expect((await boughtTasks(gateway.url)).length).toBe(3);
    },
  );

  test('a line that lacks the key field fails, and the others do not', async () => {
    const gateway = await sandbox();
    const dir = await tempDir();
    const manifest = await writeManifest(dir, [line(1), line(2, { metadata: { sku: 'B' } })]);
    const { summary } = await runLines(await pipelineTo(gateway.url), dir, manifest, { key: 'metadata.sku' });
    expect(summary).toMatchObject({ settled: 1, failures: { invalid_line: 1 } });
  });

  test('a changed manifest is refused with --key line, and nothing is sent', async () => {
    const { gateway, dir, manifest, pipeline } = await ingestion(3);
    await runLines(pipeline, dir, manifest);
    await appendFile(manifest, `${JSON.stringify(line(4))}\n`);
    await utimes(manifest, new Date(), new Date(Date.now() + 5_000));
    const again = runLines(pipeline, dir, manifest, { out: path.join(dir, 'out2') });
    await expect(again).rejects.toMatchObject({
      code: 'manifest_changed',
      hint: expect.stringContaining('--key content'),
    });
    expect((await boughtTasks(gateway.url)).length).toBe(3);
    const second = await runLines(pipeline, dir, manifest, { out: path.join(dir, 'out2'), runId: 'second' });
    expect(second.summary.settled).toBe(4);
  });
});

describe('what stops a run, and what it leaves', () => {
  test('quota: blocks with every line still there, and goes on when it is topped up', async () => {
    const { gateway, dir, manifest, pipeline } = await ingestion(25, { quota: 10 });
    const first = await runLines(pipeline, dir, manifest);
    expect(first.blocked).toMatchObject({ reason: 'quota' });
    expect(first.summary).toMatchObject({ settled: 10, failed: 0 });
    gateway.set({ quota: 100 });
    const second = await runLines(pipeline, dir, manifest);
    expect(second.summary).toMatchObject({ state: 'completed', settled: 25, failed: 0 });
    expect((await boughtTasks(gateway.url)).length).toBe(25);
  });

  test('--budget buys no more than it says, over resumptions', async () => {
    const { gateway, dir, manifest, pipeline } = await ingestion(30);
    const first = await runLines(pipeline, dir, manifest, { budget: 12 });
    expect(first.blocked?.reason).toBe('budget');
    await runLines(pipeline, dir, manifest, { budget: 12 });
    expect((await boughtTasks(gateway.url)).length).toBe(12);
    const last = await runLines(pipeline, dir, manifest, { budget: 30 });
    expect(last.summary).toMatchObject({ state: 'completed', settled: 30 });
  });

  test('--max-in-flight is never passed', async () => {
    const { dir, manifest, pipeline } = await ingestion(40, { settle: { minMs: 100, maxMs: 200 } });
    let most = 0;
    const run = runLines(pipeline, dir, manifest, { maxInFlight: 5, runId: 'window' });
    const keys = runKeys(pipeline.prefix, 'window');
    let over = false;
    void run.finally(() => {
      over = true;
    });
    await until(async () => {
      most = Math.max(most, Number((await pipeline.redis.hget(keys.counts, 'in_flight')) ?? 0));
      return over;
    }, 'the run');
    expect((await run).summary.settled).toBe(40);
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(5);
  });

  test("a directory with another run's parts is refused", async () => {
    const gateway = await sandbox();
    const dir = await tempDir();
    const manifest = await writeManifest(dir, numbered(3));
    await mkdir(path.join(dir, 'out'));
    await writeFile(path.join(dir, 'out', 'results-other-00001.jsonl'), '{}\n');
    const run = runLines(await pipelineTo(gateway.url), dir, manifest);
    await expect(run).rejects.toMatchObject({ code: 'usage', message: expect.stringContaining('other') });
    expect((await boughtTasks(gateway.url)).length).toBe(0);
  });
});

describe('what is lost comes back', () => {
  test('lost jobs are found by the sweep', async () => {
    const { gateway, dir, manifest, pipeline } = await ingestion(30, { settle: { minMs: 300, maxMs: 400 } });
    const run = runLines(pipeline, dir, manifest, { runId: 'lost', pollDelay: '400ms', pollMaxDelay: '1s' });
    await until(async () => (await linesIn(pipeline, 'lost', 'poll')) >= 20, 'tasks in flight');
    const poll = `{${pipeline.prefix}:lost}:poll`;
    // Both the entry and the job's hash, as after a failover to a replica that had neither.
    for (const id of await pipeline.redis.zrange(`${poll}:delayed`, '0', '-1'))
      await pipeline.redis.multi().zrem(`${poll}:delayed`, id).del(`${poll}:${id}`).exec();
    const { summary } = await run;
    expect(summary).toMatchObject({ state: 'completed', settled: 30 });
    expect((await boughtTasks(gateway.url)).length).toBe(30);
  });

  test('a lost Redis: the run goes on from its parts and buys nothing again', async () => {
    const gateway = await sandbox({ quota: 20 });
    const dir = await tempDir();
    const manifest = await writeManifest(dir, numbered(40));
    const before = await pipelineTo(gateway.url);
    const first = await runLines(before, dir, manifest, { partAge: '1s', runId: 'r' });
    expect(first.blocked?.reason).toBe('quota');
    const settledInParts = (await readOut(path.join(dir, 'out'))).results.length;
    gateway.set({ quota: 100 });
    // Another prefix acts as an empty Redis.
    const after = await pipelineTo(gateway.url);
    const { summary } = await runLines(after, dir, manifest, { partAge: '1s', runId: 'r' });
    expect(summary).toMatchObject({ state: 'completed', lines: 40, settled: 40 });
    const { results } = await readOut(path.join(dir, 'out'));
    expect(new Set(results.map((row) => row.line)).size).toBe(40);
    expect(results.length).toBe(40);
    expect(settledInParts).toBeLessThanOrEqual(20);
    expect((await boughtTasks(gateway.url)).length).toBe(40);
  });

  test('two runs of one run at once end once each line', async () => {
    const gateway = await sandbox();
    const dir = await tempDir();
    const manifest = await writeManifest(dir, numbered(200));
    const one = await pipelineTo(gateway.url);
    const two = await pipelineTo(gateway.url, { prefix: one.prefix });
    const [a, b] = await Promise.all([runLines(one, dir, manifest), runLines(two, dir, manifest)]);
    expect(a.summary).toEqual(b.summary);
    const { results } = await readOut(path.join(dir, 'out'));
    expect(results.length).toBe(200);
    expect((await boughtTasks(gateway.url)).length).toBe(200);
  });

  test('an unreachable manifest of a finished producer does not matter to the results', async () => {
    const { dir, manifest, pipeline } = await ingestion(10);
    const { summary } = await runLines(pipeline, dir, manifest, { runId: 'gone' });
    await rm(manifest);
    expect((await loadRun(pipeline.redis, pipeline.prefix, 'gone'))?.state).toBe('completed');
    expect(summary.settled).toBe(10);
  });
});

describe('secrets', () => {
  test('the API key is nowhere in Redis and in no file of the run', async () => {
    const gateway = await sandbox();
    const dir = await tempDir();
    const secret = 'sk_sandbox_very_secret_indeed';
    const manifest = await writeManifest(dir, numbered(5));
    const pipeline = await pipelineTo(gateway.url, { apiKey: secret });
    await runLines(pipeline, dir, manifest);
    for (const key of await pipeline.redis.keys(`*${pipeline.prefix}*`)) {
      const dump = (await pipeline.redis.dumpBuffer(key)) ?? Buffer.alloc(0);
      expect(dump.includes(secret), key).toBe(false);
      expect(key.includes(secret)).toBe(false);
    }
    const { results, summary } = await readOut(path.join(dir, 'out'));
    expect(JSON.stringify([results, summary])).not.toContain(secret);
  });
});
