import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { isOwnPage } from '../../lib/net/hosts.js';
import type { Pipeline } from '../../pipeline/pipeline.js';
import { duplicateOf } from '../../redis/connection.js';
import type { Audit } from '../audit.js';
import type { HttpPart } from '../server.js';

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
 * @param writes whether an operator may retry, promote and remove jobs and pause queues; never change their data,
 * which is shown without signatures
 * @param audit is called for every write, and for every one that was refused
 */
export const queueBoard =
  (
    { redis, prefix }: Pick<Pipeline, 'redis' | 'prefix'>,
    { writes, audit }: { writes: boolean; audit: Audit },
  ): HttpPart =>
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
      if (request.method === 'GET' || request.method === 'HEAD') return;
      const refusal = refusalOf(request, writes);
      if (refusal === null) {
        audit('board write', request);
        reply.raw.once('close', () =>
          audit('board write answered', request, { status: reply.raw.statusCode }),
        );
        return;
      }
      const [status, why] = refusal;
      audit('board write refused', request, { status });
      if (status === 405) reply.header('allow', 'GET, HEAD');
      return reply.code(status).send(`${why}\n`);
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

function refusalOf(
  { method, caller, raw }: FastifyRequest,
  writes: boolean,
): [status: 403 | 405, why: string] | null {
  if (!writes) return [405, 'the board only shows; start with --queue-board-writes to change something'];
  // A request that changes or adds the data of jobs is not PUT.
  if (method !== 'PUT') return [405, 'jobs are not changed or added by hand'];
  if (caller?.role !== 'operator') return [403, "the operator's token is needed (ASG_OPERATOR_TOKEN)"];
  // A browser says where a write comes from; a session without that is not a browser's.
  const fromNowhere = caller.by !== 'bearer' && raw.headers.origin === undefined;
  return isOwnPage(raw) && !fromNowhere ? null : [403, 'not from another site'];
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
