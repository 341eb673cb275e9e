/** Takes webhook deliveries in Express: the signature covers the raw body, so it is checked before any parsing. */
import type { AddressInfo } from 'node:net';
import { verifyWebhookSignature } from 'asg-ingest/client';
import express from 'express';

const secret = process.env.ASG_WEBHOOK_SECRET ?? '';
if (secret === '') throw new Error('set ASG_WEBHOOK_SECRET');

const app = express();
app.post('/hook', express.raw({ type: 'application/json', limit: '64kb' }), (request, response) => {
  if (!verifyWebhookSignature(request.body, request.get('x-asg-signature'), secret))
    return void response.sendStatus(401);
  const delivery = JSON.parse(request.body.toString()) as { task_id: string; consensus_label: string };
  console.log(`settled ${delivery.task_id}: ${delivery.consensus_label}`);
  response.sendStatus(204);
});

const server = app.listen(Number(process.env.PORT ?? 8080), '127.0.0.1', () =>
  console.log(`listening on http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`),
);
process.once('SIGTERM', () => server.close());
