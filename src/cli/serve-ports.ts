import { createReleasers } from '../lib/releasers.js';
import type { Pipeline } from '../pipeline/pipeline.js';
import type { CommandContext } from './program.js';

/**
 * Opens the ports of the settings, for metrics and webhooks, and logs their addresses. Resolves to the function that
 * closes them.
 */
export async function servePorts(
  pipeline: Pipeline,
  { settings, io }: Pick<CommandContext, 'settings' | 'io'>,
  draining: AbortSignal,
): Promise<() => Promise<void>> {
  const { add, close } = createReleasers();
  try {
    const { serveHttp } = await import('../web/serve.js');
    const server = await serveHttp(pipeline, settings, draining);
    if (server) {
      add(() => server.close());
      io.stderr.write(`listening on ${server.url}\n`);
    }
    const { openWebhooks } = await import('../webhooks/index.js');
    const webhooks = await openWebhooks(pipeline, settings, draining);
    if (webhooks) {
      add(() => webhooks.close());
      io.stderr.write(`taking webhooks on ${webhooks.url}\n`);
    }
    return close;
  } catch (error) {
    await close();
    throw error;
  }
}
