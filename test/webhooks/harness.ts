import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { onTestFinished } from 'vitest';
import { Secret } from '../../src/config/secret.js';
import type { Pipeline } from '../../src/pipeline/pipeline.js';
import { openWebhooks, type WebhookSettings } from '../../src/webhooks/index.js';

export const SECRET = 'whsec_of_the_tests';

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** The pipeline takes deliveries at the URL that its tasks name, or at one of its own. */
export async function takeWebhooks(pipeline: Pipeline, changes: Partial<WebhookSettings> = {}) {
  const webhookPort = changes.webhookPort ?? (await freePort());
  const settings: WebhookSettings = {
    webhookUrl: `http://127.0.0.1:${webhookPort}/hooks/asg`,
    webhookPort,
    webhookHost: '127.0.0.1',
    webhookTrust: false,
    webhookSecret: new Secret(SECRET),
    ...changes,
  };
  pipeline.webhooks = { callbackUrl: settings.webhookUrl ?? '' };
  const webhooks = await openWebhooks(pipeline, settings, new AbortController().signal);
  if (webhooks === null) throw new Error('no webhooks were opened');
  onTestFinished(() => webhooks.close());
  return webhooks;
}

export const sign = (body: string, secret = SECRET) =>
  `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;

/** A delivery as the Gateway makes it. */
export const deliveryOf = (task: string, changes: object = {}) =>
  JSON.stringify({
    event: 'task.settled',
    task_id: task,
    consensus_label: 'cat',
    confidence: 0.9,
    bsv_txid: 'f'.repeat(64),
    settled_at: new Date().toISOString(),
    timestamp: new Date().toISOString(),
    ...changes,
  });

export async function post(url: string, body: string, headers: Record<string, string> = {}) {
  const answer = await fetch(url, {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json', 'x-asg-signature': sign(body), ...headers },
  });
  return { status: answer.status, text: await answer.text() };
}

/** A counter's values by `outcome`, zeroes left out. */
export async function outcomes(pipeline: Pipeline): Promise<Record<string, number>> {
  const { values } = await pipeline.metrics.webhooks.get();
  return Object.fromEntries(
    values.filter(({ value }) => value > 0).map(({ labels, value }) => [labels.outcome, value]),
  );
}
