/**
 * The pipeline within a service: consumers that work on every run of the key, and a producer that is handed manifests.
 * Both may be in one process, as here, or in many. Settings come from the environment, as for the command.
 */
import {
  createLogger,
  createReleasers,
  keepProducing,
  openPipeline,
  openProducer,
  prepareManifest,
  readRun,
  resolveSettings,
  workRuns,
} from 'asg-ingest';

const settings = resolveSettings({
  command: 'work',
  flags: { question: 'Which animal is it?', options: ['cat', 'dog', 'bird', 'horse', 'fish'] },
  env: process.env,
  cwd: process.cwd(),
});
const log = createLogger({ level: settings.logLevel });
const releasers = createReleasers();
const stop = new AbortController();
process.once('SIGTERM', () => stop.abort());

try {
  const pipeline = await openPipeline(settings, log, releasers);
  const working = workRuns(pipeline, stop.signal);

  const { manifest, prepared } = await prepareManifest(
    pipeline,
    settings,
    process.argv[2] ?? 'examples/animals.jsonl',
    process.cwd(),
  );
  if (prepared.kind === 'go') {
    const { record } = prepared;
    const producer = openProducer(pipeline, record);
    const options = { until: 'ended', mayProduce: true, signal: stop.signal } as const;
    await keepProducing(producer, record, async () => manifest, options);
    await producer.close();
    const reading = await readRun(pipeline.redis, pipeline.prefix, record.id);
    console.log(`run ${record.id}: ${reading?.status.settled} settled, ${reading?.status.failed} failed`);
  } else console.log(`run ${prepared.summary.run_id} had ended`);

  stop.abort();
  await working;
} finally {
  await releasers.close();
}
