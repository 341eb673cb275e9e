/** Takes webhook deliveries in Fastify: the signature covers the raw body, so the parser hands it over as it came. */
import { verifyWebhookSignature } from 'asg-ingest/client';
import { fastify } from 'fastify';

const secret = process.env.ASG_WEBHOOK_SECRET ?? '';
if (secret === '') throw new Error('set ASG_WEBHOOK_SECRET');

const app = fastify({ bodyLimit: 64 * 1024 });
app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) =>
  done(null, body),
);
app.post<{ Body: Buffer }>('/hook', async (request, reply) => {
  const signature = request.headers['x-asg-signature'];
  if (!verifyWebhookSignature(request.body, String(signature), secret)) return reply.code(401).send();
  const delivery = JSON.parse(request.body.toString()) as { task_id: string; consensus_label: string };
  console.log(`settled ${delivery.task_id}: ${delivery.consensus_label}`);
  return reply.code(204).send();
});

const address = await app.listen({ port: Number(process.env.PORT ?? 8080), host: '127.0.0.1' });
console.log(`listening on ${address}/hook`);
process.once('SIGTERM', () => void app.close());
