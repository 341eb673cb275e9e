/**
 * What a scrape costs with 10,000 jobs waiting, in one run and spread over twenty: `npm run bench:scrape`.
 * Prints the time of `/metrics` over HTTP, the cache of a second left out, and how many commands reach Redis.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pino } from 'pino';
import { resolveSettings } from '../src/config/index.js';
import { createReleasers } from '../src/lib/releasers.js';
import { openPipeline } from '../src/pipeline/open.js';
import type { Pipeline } from '../src/pipeline/pipeline.js';
import { encodeChunk } from '../src/queues/chunk.js';
import { openQueues } from '../src/queues/queues.js';
import { runPolicy, taskOptions } from '../src/runs/from-settings.js';
import { runKeys } from '../src/runs/keys.js';
import { createRun } from '../src/runs/record.js';
import { serveHttp } from '../src/web/serve.js';

const JOBS = 10_000;
const SCRAPES = 30;

const dir = await mkdtemp(path.join(tmpdir(), 'asg-scrape-'));
const settings = resolveSettings({
  command: 'work',
  flags: { dataDir: path.join(dir, 'data'), gatewayUrl: 'http://127.0.0.1:1' },
  env: { ASG_API_KEY: 'sk_bench' },
  cwd: dir,
});

async function fill(pipeline: Pipeline, run: string, jobs: number) {
  await createRun(pipeline.redis, pipeline.prefix, {
    id: run,
    manifest: { uri: 'file:///none', version: '1', sources: ['none'], digest: 'd', count: 1 },
    task: taskOptions(settings),
    policy: runPolicy(settings),
    gateway: pipeline.origin,
    keyFingerprint: pipeline.keyFingerprint,
    out: dir,
    sinkId: 'none',
    sinkHost: 'host',
    specDigest: 's',
    scope: '',
    state: 'running',
    reason: null,
    message: null,
    startedAt: new Date().toISOString(),
    endedAt: null,
  });
  const queues = openQueues(runKeys(pipeline.prefix, run), pipeline.connection, () => {});
  for (let from = 0; from < jobs; from += 500) {
    const lines = Array.from({ length: Math.min(500, jobs - from) }, (_, i) => from + i + 1);
    await queues.submit.addBulk(
      lines.map((l) => ({
        name: 'submit',
        data: encodeChunk(0, [
          { line: l, text: JSON.stringify({ data_url: `https://images.example.org/${l}.jpg` }) },
        ]),
        opts: { jobId: `0-${l}-${l}-1` },
      })),
    );
  }
  await queues.close();
}

const releasers = createReleasers();
try {
  for (const runs of [1, 20]) {
    const pipeline = await openPipeline(
      { ...settings, prefix: `scrape${runs}` },
      pino({ level: 'error' }),
      releasers,
    );
    for (let run = 0; run < runs; run += 1) await fill(pipeline, `run-${run}`, JOBS / runs);
    const server = await serveHttp(
      pipeline,
      { metricsPort: 0, metricsHost: '127.0.0.1' },
      new AbortController().signal,
    );
    releasers.add(() => server?.close());
    const commands = async () =>
      Number(/total_commands_processed:(\d+)/.exec(await pipeline.redis.info('stats'))?.[1] ?? 0);
    const times: number[] = [];
    let bytes = 0;
    let asked = 0;
    for (let n = 0; n < SCRAPES; n += 1) {
      await new Promise((resolve) => setTimeout(resolve, 1_050));
      const before = await commands();
      const started = performance.now();
      bytes = (await (await fetch(`${server?.url}/metrics`)).text()).length;
      times.push(performance.now() - started);
      asked = (await commands()) - before;
    }
    times.sort((a, b) => a - b);
    const at = (share: number) => (times[Math.floor(share * (times.length - 1))] ?? 0).toFixed(1);
    process.stdout.write(
      `${runs} run(s), ${JOBS} jobs waiting: median ${at(0.5)} ms, p90 ${at(0.9)} ms, most ${at(1)} ms; ${bytes} bytes, ${asked} commands\n`,
    );
  }
} finally {
  await releasers.close();
  await rm(dir, { recursive: true, force: true });
}
