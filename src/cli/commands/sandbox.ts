import { once } from 'node:events';
import { sandboxCommandKeys } from '../../config/index.js';
import { startSandbox } from '../../sandbox/index.js';
import type { CommandDefinition } from '../program.js';
import { onInterrupt } from '../session.js';

export const sandbox: CommandDefinition = {
  name: 'sandbox',
  describe: 'run the local Gateway in the foreground; any sk_sandbox_… key is accepted',
  options: [...sandboxCommandKeys, 's3Endpoint', 'gcsEndpoint', 'config', 'printConfig', 'logLevel', 'debug'],
  run: async ({ settings, io }) => {
    const interrupt = onInterrupt(() => undefined);
    const server = await startSandbox(settings.sandboxOptions, io.env.ASG_ENCRYPTION_KEY);
    io.stdout.write(`local Gateway listening on ${server.url}\n`);
    try {
      if (!interrupt.signal.aborted) await once(interrupt.signal, 'abort');
    } finally {
      await server.close();
      interrupt.end();
    }
    return interrupt.status() ?? 0;
  },
};
