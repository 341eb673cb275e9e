import { ASGGatewayClient } from '../gateway/client.js';
import { createReleasers } from '../lib/releasers.js';
import { openGateway } from '../pipeline/open.js';
import type { CommandContext } from './program.js';
import { onInterrupt } from './session.js';

/**
 * A client of the Gateway that the settings name, for one command; closed when the command ends. Gives its exit
 * status, or 130 or 143 when it was interrupted.
 *
 * @param options.keyless the command needs no API key
 */
export async function withClient(
  { settings, log }: CommandContext,
  use: (client: ASGGatewayClient, signal: AbortSignal) => Promise<number>,
  { keyless = false } = {},
): Promise<number> {
  const releasers = createReleasers();
  const interrupt = onInterrupt(() => undefined);
  try {
    const { url, apiKey } =
      keyless && !settings.sandbox
        ? { url: settings.gatewayUrl, apiKey: undefined }
        : await openGateway(settings, log, releasers);
    const client = new ASGGatewayClient({ baseUrl: url, ...(apiKey !== undefined && { apiKey }) });
    releasers.add(() => client.close());
    return await use(client, interrupt.signal);
  } catch (error) {
    if (interrupt.signal.aborted && error === interrupt.signal.reason) return interrupt.status() ?? 1;
    throw error;
  } finally {
    await releasers.close();
    interrupt.end();
  }
}
