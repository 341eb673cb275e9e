import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyReply } from 'fastify';
import { verifyWebhookSignature } from '../gateway/webhook-signature.js';
import type { Pipeline } from '../pipeline/pipeline.js';
import { readDelivery } from '../queues/delivery.js';
import type { HttpPart } from '../web/server.js';
import type { Deliverer } from './deliver.js';

/** A documented delivery has a few hundred bytes. */
const MOST_BODY_BYTES = 64 << 10;
const REDIS_ANSWER_MS = 3_000;
const WARN_EVERY_MS = 60_000;

export interface ReceiverOptions {
  /** The path that deliveries come to; any other is not found. */
  path: string;
  secret: string;
  deliverer: Deliverer;
}

/**
 * Receives deliveries. Answers 2xx when the delivery is in Redis; 401 for a wrong signature; 400, 413 or 415 for a body
 * that is no delivery; 503 while Redis is away, so that the Gateway tries again.
 */
export const receiver =
  (
    { redis, metrics, log }: Pick<Pipeline, 'redis' | 'metrics' | 'log'>,
    { path, secret, deliverer }: ReceiverOptions,
  ): HttpPart =>
  (app) => {
    app.removeAllContentTypeParsers();
    // The signature is over the bytes as they were sent.
    app.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: MOST_BODY_BYTES }, (_request, body, done) =>
      done(null, body),
    );
    const warnOfSignatures = atMostOnceAMinute(() =>
      log.warn(
        'a webhook delivery is not signed with ASG_WEBHOOK_SECRET: forged, or the webhook was registered with another secret; then delete it and start again',
      ),
    );

    // Deliveries taken when the process began to stop are in Redis before Redis is left.
    const taking = new Set<Promise<unknown>>();
    app.addHook('onClose', async () => void (await Promise.allSettled([...taking])));
    app.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) => {
      const status = error.statusCode ?? 500;
      if (status >= 500) log.warn({ err: error }, 'a webhook delivery could not be taken');
      metrics.webhooks.inc({ outcome: status >= 500 ? 'unavailable' : 'invalid' });
      return answer(reply, status, status === 413 ? 'body too large' : 'not a delivery');
    });

    app.post('*', async (request, reply) => {
      if (request.url.split('?', 1)[0] !== path) return answer(reply, 404, 'not found');
      const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
      const { 'x-asg-signature': signature } = request.headers;
      if (typeof signature !== 'string' || !verifyWebhookSignature(body, signature, secret)) {
        metrics.webhooks.inc({ outcome: 'bad_signature' });
        warnOfSignatures();
        return answer(reply, 401, 'bad signature');
      }
      const reading = readDelivery(body, Date.now());
      if (reading.kind === 'invalid') {
        metrics.webhooks.inc({ outcome: 'invalid' });
        return answer(reply, 400, reading.problem);
      }
      if (reading.kind === 'other') {
        metrics.webhooks.inc({ outcome: 'ignored' });
        return reply.code(204).send();
      }
      const taken = withTimeout(() => deliverer.deliver(reading.delivery));
      taking.add(taken);
      try {
        const outcome = await taken;
        metrics.webhooks.inc({ outcome });
        return reply.code(204).send();
      } catch (error) {
        metrics.webhooks.inc({ outcome: 'unavailable' });
        log.warn({ err: error }, 'a webhook delivery could not be taken');
        return answer(reply.header('retry-after', '1'), 503, 'not available now');
      } finally {
        taking.delete(taken);
      }
    });

    /** A command waits for Redis as long as it is away. The Gateway does not wait that long. */
    async function withTimeout<T>(deliver: () => Promise<T>): Promise<T> {
      if (redis.status !== 'ready') throw new Error('Redis is away');
      const timer = new AbortController();
      const late = sleep(REDIS_ANSWER_MS, 'late' as const, { signal: timer.signal });
      try {
        const ended = await Promise.race([deliver(), late]);
        if (ended === 'late') throw new Error('Redis does not answer');
        return ended;
      } finally {
        timer.abort();
      }
    }
  };

const answer = (reply: FastifyReply, status: number, error: string) => reply.code(status).send({ error });

function atMostOnceAMinute(act: () => void): () => void {
  let last = Number.NEGATIVE_INFINITY;
  return () => {
    const now = performance.now();
    if (now - last < WARN_EVERY_MS) return;
    last = now;
    act();
  };
}
