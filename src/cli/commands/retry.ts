import { openProducer } from '../../pipeline/open-producer.js';
import { retryFailures } from '../../pipeline/retry.js';
import { followRun } from '../../pipeline/run.js';
import { reopenManifest } from '../../producers/reopen-manifest.js';
import { superviseProducer } from '../../producers/supervise.js';
import { retryTemporaryErrors } from '../../redis/temporary-errors.js';
import { openSink } from '../../results/sink.js';
import { loadRun } from '../../runs/record.js';
import { pipelineOptions } from '../option-groups.js';
import type { CommandDefinition } from '../program.js';
import { findRun } from '../session.js';
import { runAndReport } from './run.js';

export const retry: CommandDefinition = {
  name: 'retry',
  describe: "submit a run's failures again, under the same keys; old records go to superseded/",
  args: [{ name: 'run', describe: 'run id', required: true }],
  options: [...pipelineOptions, 'json', 'quiet'],
  run: (context) =>
    runAndReport(context, async (pipeline, watch) => {
      const record = await findRun(pipeline, pipeline.prefix, context.args[0]);
      const producer = openProducer(pipeline, record);
      try {
        const sink = openSink(record.out, pipeline.objectStores);
        const lines = await retryTemporaryErrors(() => retryFailures(producer, record, sink), watch);
        pipeline.log.info({ run: record.id, lines }, 'failures are queued again');
        const now = (await loadRun(pipeline.redis, pipeline.prefix, record.id)) ?? record;
        return await followRun(pipeline, { kind: 'go', record: now }, watch, (_record, signal) =>
          superviseProducer(producer, now, () => reopenManifest(pipeline, record), {
            until: 'ended',
            mayProduce: false,
            signal,
          }),
        );
      } finally {
        await producer.close();
      }
    }),
};
