import { openNotices } from '../notices.js';
import { pipelineOptions } from '../option-groups.js';
import type { CommandDefinition } from '../program.js';
import { servePorts } from '../serve-ports.js';
import { createStopRules, onInterrupt, withPipeline } from '../session.js';

export const work: CommandDefinition = {
  name: 'work',
  describe: 'consume every run of this Gateway and key until SIGTERM',
  options: pipelineOptions,
  run: async (context) => {
    const { settings, log } = context;
    const stopRules = createStopRules();
    const interrupt = onInterrupt((text) => log.info(text), stopRules);
    try {
      await withPipeline(settings, log, async (pipeline) => {
        stopRules.opened(pipeline);
        const closePorts = await servePorts(pipeline, context, interrupt.signal);
        const { unfinishedRuns } = await import('../../runs/unfinished-runs.js');
        const notices = await openNotices(pipeline, settings, async () =>
          (await unfinishedRuns(pipeline)).map(({ id }) => id),
        );
        try {
          const { workRuns } = await import('../../pipeline/work.js');
          await workRuns(pipeline, interrupt.signal);
        } finally {
          await notices?.close();
          await closePorts();
        }
      });
    } finally {
      interrupt.end();
    }
    return interrupt.status() ?? 0;
  },
};
