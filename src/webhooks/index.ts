import type { Settings } from '../config/index.js';
import { usageError } from '../lib/errors.js';
import type { Pipeline } from '../pipeline/pipeline.js';
import { openHttpServer } from '../web/server.js';
import { createDeliverer } from './deliver.js';
import { receiver } from './receiver.js';
import { ensureRegistered } from './register.js';

export type WebhookSettings = Pick<
  Settings,
  'webhookUrl' | 'webhookPort' | 'webhookHost' | 'webhookTrust' | 'webhookSecret'
>;

export interface Webhooks {
  /** The address that receives deliveries on this host; the public URL leads here. */
  readonly url: string;
  /** Takes no more deliveries. Idempotent. */
  close(): Promise<void>;
}

/**
 * Takes webhook deliveries, and makes sure that the Gateway sends them. Null without a `webhookUrl`. To be opened before
 * anything is submitted: a task may only name a URL that is registered.
 *
 * @throws IngestError `usage` without a secret, or when the port cannot be had; what the Gateway answers to the
 * registration
 */
export async function openWebhooks(
  pipeline: Pipeline,
  settings: WebhookSettings,
  signal: AbortSignal,
): Promise<Webhooks | null> {
  const { webhookUrl, webhookHost: host, webhookPort: port, webhookTrust } = settings;
  if (webhookUrl === null) return null;
  const secret = settings.webhookSecret?.reveal();
  if (!secret)
    throw usageError('--webhook-url', 'deliveries cannot be told from forgeries without a secret', {
      hint: 'export ASG_WEBHOOK_SECRET=<a long random text>, the same in all processes of the key',
    });
  const { pathname: path } = new URL(webhookUrl);
  const deliverer = createDeliverer(pipeline, webhookTrust);
  const server = await openHttpServer({
    host,
    port,
    option: '--webhook-port',
    access: null,
    log: pipeline.log,
    parts: [receiver(pipeline, { path, secret, deliverer })],
  }).catch(async (error: unknown) => {
    await deliverer.close();
    throw error;
  });
  let closing: Promise<void> | undefined;
  const webhooks: Webhooks = {
    url: server.url + path,
    close() {
      closing ??= server.close().then(() => deliverer.close());
      return closing;
    },
  };
  try {
    await ensureRegistered(pipeline, webhookUrl, secret, signal);
  } catch (error) {
    await webhooks.close();
    throw error;
  }
  return webhooks;
}
