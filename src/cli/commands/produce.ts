import { removeSpools } from '../../manifest/index.js';
import { failQueuedLines } from '../../pipeline/cancel.js';
import { openProducer } from '../../pipeline/open-producer.js';
import { prepare } from '../../pipeline/run.js';
import { superviseProducer } from '../../producers/supervise.js';
import { openQueues } from '../../queues/queues.js';
import { runKeys } from '../../runs/keys.js';
import { readRun } from '../../runs/read-status.js';
import { serveHttp } from '../../web/serve.js';
import { manifestOptions, pipelineOptions, taskOptionNames } from '../option-groups.js';
import type { CommandDefinition } from '../program.js';
import { onInterrupt, withPipeline } from '../session.js';

export const produce: CommandDefinition = {
  name: 'produce',
  describe: "the producer's part of `run`: enqueue a manifest, leave the rest to `work`",
  args: [{ name: 'manifest', describe: 'as for `run`', required: true }],
  options: [...pipelineOptions, ...taskOptionNames, ...manifestOptions, 'json'],
  run: ({ settings, args, log, io }) =>
    withPipeline(settings, log, async (pipeline) => {
      const { manifest, prepared } = await prepare(pipeline, settings, args[0] ?? '', io.cwd);
      if (prepared.kind === 'ended') {
        io.stdout.write(`run ${prepared.summary.run_id} has ended\n`);
        return 0;
      }
      const interrupt = onInterrupt((text) => io.stderr.write(`asg-ingest: ${text}\n`));
      const { record } = prepared;
      const producer = openProducer(pipeline, record);
      let server: Awaited<ReturnType<typeof serveHttp>> = null;
      try {
        server = await serveHttp(pipeline, settings, interrupt.signal);
        if (server) io.stderr.write(`listening on ${server.url}\n`);
        io.stderr.write(`run ${record.id} → ${record.out}\n`);
        const options = { until: 'produced', mayProduce: true, signal: interrupt.signal } as const;
        await superviseProducer(producer, record, async () => manifest, options);
      } finally {
        await server?.close();
        await producer.close();
        await removeSpools(manifest.sources);
        interrupt.end();
      }
      const { redis, prefix } = pipeline;
      const reading = await readRun(redis, prefix, record.id);
      // Lines that were read while the run was being cancelled are queued, and perhaps no process consumes them.
      if (reading?.record.state === 'cancelled' && !reading.summedUp) {
        const queues = openQueues(runKeys(prefix, record.id), pipeline.connection, () => undefined);
        await failQueuedLines(pipeline, prefix, record, queues, log).finally(() => queues.close());
      }
      const produced = reading?.status.produced === true;
      const lines = reading?.status.lines ?? 0;
      const result = { run_id: record.id, lines, produced };
      io.stdout.write(
        settings.json ? `${JSON.stringify(result)}\n` : `run ${record.id}: ${lines} lines enqueued\n`,
      );
      return interrupt.status() ?? (produced ? 0 : 4);
    }),
};
