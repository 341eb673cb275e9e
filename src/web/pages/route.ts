import type { FastifyReply } from 'fastify';
import { RUN_ID } from '../../lib/run-id.js';
import type { Pipeline } from '../../pipeline/pipeline.js';
import type { HttpPart } from '../server.js';
import { documentOf, PAGE_HEADERS, type Page } from './document.js';
import { readNewest, readShown } from './read-runs.js';
import { noRunPage, runPage } from './run-page.js';
import { runsPage } from './runs-page.js';

const RUNS = 20;
const CACHE_MS = 1_000;

/** For people: `/`, all runs, and `/runs/<id>`, one run in full. */
export const pagesRoute =
  ({ redis, prefix }: Pick<Pipeline, 'redis' | 'prefix'>): HttpPart =>
  (app) => {
    const newest = atMostEvery(CACHE_MS, () => readNewest(redis, prefix, RUNS));
    const send = (reply: FastifyReply, page: Page) => reply.headers(PAGE_HEADERS).send(documentOf(page));
    const now = () => new Date().toISOString();
    app.get('/', async (_request, reply) => send(reply, runsPage(await newest(), now())));
    app.get<{ Params: { id: string } }>('/runs/:id', async ({ params: { id } }, reply) => {
      const run = RUN_ID.test(id) ? await readShown(redis, prefix, id) : null;
      return run === null ? send(reply.code(404), noRunPage(id)) : send(reply, runPage(run, now()));
    });
  };

/** A page's data is read once in this time (ms), for any number of viewers. A failed reading is not kept. */
function atMostEvery<T>(ms: number, read: () => Promise<T>): () => Promise<T> {
  let last: { at: number; value: Promise<T> } | undefined;
  return () => {
    if (last && Date.now() - last.at < ms) return last.value;
    const now = { at: Date.now(), value: read() };
    last = now;
    now.value.catch(() => {
      now.at = 0;
    });
    return now.value;
  };
}
