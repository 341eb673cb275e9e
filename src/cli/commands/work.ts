import { serveHttp } from '../../http/serve.js';
import { openWebhooks, type Webhooks } from '../../webhooks/index.js';
import { workRuns } from '../../work.js';
import { pipelineOptions } from '../option-groups.js';
import type { CommandDefinition } from '../program.js';
import { onInterrupt, withPipeline } from '../session.js';

export const work: CommandDefinition = {
  name: 'work',
  describe: 'consume every run of this Gateway and key until SIGTERM',
  options: pipelineOptions,
  run: async ({ settings, log, io }) => {
    const interrupt = onInterrupt((text) => log.info(text));
    try {
      await withPipeline(settings, log, async (pipeline) => {
        const server = await serveHttp(pipeline, settings, interrupt.signal);
        if (server) io.stderr.write(`listening on ${server.url}\n`);
        let webhooks: Webhooks | null = null;
        try {
          webhooks = await openWebhooks(pipeline, settings, interrupt.signal);
          if (webhooks) io.stderr.write(`taking webhooks on ${webhooks.url}\n`);
          await workRuns(pipeline, interrupt.signal);
        } finally {
          await webhooks?.close();
          await server?.close();
        }
      });
    } finally {
      interrupt.end();
    }
    return interrupt.status() ?? 0;
  },
};
