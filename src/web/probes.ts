import type { Pipeline } from '../pipeline/pipeline.js';
import type { HttpPart } from './server.js';

const REDIS_ANSWER_MS = 2_000;

/**
 * `/healthz`: 200 while the event loop runs; a process that hangs does not answer in time. `/readyz`: 200 while Redis
 * answers and the process is not stopping. Both answer without a token.
 */
export const probes =
  ({ redis }: Pick<Pipeline, 'redis'>, draining: AbortSignal): HttpPart =>
  (app) => {
    const open = { config: { open: true } };
    app.get('/healthz', open, async () => 'ok\n');
    app.get('/readyz', open, async (_request, reply) => {
      if (draining.aborted) return reply.code(503).send('draining\n');
      const answers = redis.ping().then(
        () => true,
        () => false,
      );
      const ready = await Promise.race([answers, late(REDIS_ANSWER_MS)]);
      return ready ? 'ready\n' : reply.code(503).send('Redis does not answer\n');
    });
  };

const late = (ms: number) => new Promise<false>((resolve) => setTimeout(() => resolve(false), ms).unref());
