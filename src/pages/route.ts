import type { HttpPart } from '../http/server.js';
import type { Pipeline } from '../pipeline.js';
import { documentOf, PAGE_HEADERS } from './document.js';
import { readNewest } from './read-runs.js';
import { runsPage } from './runs-page.js';

const RUNS = 20;
const CACHE_MS = 1_000;

/** `/`, for people: how the runs stand. */
export const pagesRoute =
  (pipeline: Pipeline): HttpPart =>
  (app) => {
    const newest = atMostEvery(CACHE_MS, () => readNewest(pipeline, RUNS));
    app.get('/', async (_request, reply) => {
      const page = runsPage(await newest(), new Date().toISOString());
      return reply.headers(PAGE_HEADERS).send(documentOf(page));
    });
  };

/** However many look at a page: what it shows is read once in so many ms. A reading that failed is not kept. */
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
