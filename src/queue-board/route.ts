import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { HttpPart } from '../http/server.js';
import type { Pipeline } from '../pipeline.js';
import { duplicateOf } from '../redis/connection.js';

const PATH = '/queues';
/** The board's own files and nothing else: its page asks for fonts elsewhere, and does well without. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "base-uri 'self'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

interface OpenBoard {
  answer(request: IncomingMessage, response: ServerResponse): void;
  close(): Promise<void>;
}

/**
 * `/queues`: Bull Board with the queues of the newest runs. It is loaded, and has its connection, from the first visit on.
 *
 * @param writes whether jobs may be retried, promoted and removed and queues paused; never whether their data be changed,
 * which is shown without signatures
 */
export const queueBoard =
  ({ redis, prefix }: Pick<Pipeline, 'redis' | 'prefix'>, { writes }: { writes: boolean }): HttpPart =>
  (app) => {
    let opened: Promise<OpenBoard> | undefined;
    const board = () => {
      opened ??= openBoard({ redis, prefix, writes });
      opened.catch(() => {
        opened = undefined;
      });
      return opened;
    };
    app.addHook('onClose', async () => (await opened?.catch(() => undefined))?.close());
    app.addHook('onRequest', async (request, reply) => {
      const refusal = refusalOf(request, writes);
      if (refusal !== null) return reply.code(405).header('allow', 'GET, HEAD').send(`${refusal}\n`);
    });
    // The board reads the body itself.
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', (_request, _payload, done) => done(null));
    const handler = async (request: FastifyRequest, reply: FastifyReply) => {
      const { answer } = await board();
      reply.hijack();
      answer(request.raw, reply.raw);
    };
    app.all(PATH, handler);
    app.all(`${PATH}/*`, handler);
  };

function refusalOf({ method, headers }: FastifyRequest, writes: boolean): string | null {
  if (method === 'GET' || method === 'HEAD') return null;
  if (!writes) return 'the board only shows; start with --queue-board-writes to change something';
  // What changes or adds the data of jobs is not PUT.
  if (method !== 'PUT') return 'jobs are not changed or added by hand';
  const site = headers['sec-fetch-site'];
  return site === undefined || site === 'same-origin' ? null : 'not from another site';
}

async function openBoard({
  redis,
  prefix,
  writes,
}: Pick<Pipeline, 'redis' | 'prefix'> & { writes: boolean }): Promise<OpenBoard> {
  const [{ createBullBoard }, { FastifyAdapter }, { fastify }, { followRuns }] = await Promise.all([
    import('@bull-board/api'),
    import('@bull-board/fastify'),
    import('fastify'),
    import('./follow-runs.js'),
  ]);
  const connection = duplicateOf(redis);
  connection.on('error', () => undefined);
  const serverAdapter = new FastifyAdapter();
  serverAdapter.setBasePath(PATH);
  const board = createBullBoard({
    queues: [],
    serverAdapter,
    options: { uiConfig: { boardTitle: 'asg-ingest', showWorkers: false } },
  });
  const follow = followRuns(board, { redis: connection, prefix, readOnly: !writes });
  const app = fastify();
  app.addHook('onRequest', async (request, reply) => {
    reply.header('content-security-policy', POLICY).header('x-content-type-options', 'nosniff');
    if (request.url.startsWith(`${PATH}/api/`)) await follow();
  });
  await app.register(serverAdapter.registerPlugin(), { prefix: PATH });
  await app.ready();
  return {
    answer: (request, response) => app.routing(request, response),
    async close() {
      await app.close();
      connection.disconnect();
    },
  };
}
