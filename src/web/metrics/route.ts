import { Registry } from 'prom-client';
import type { Pipeline } from '../../pipeline/pipeline.js';
import type { HttpPart } from '../server.js';
import { collectGauges } from './collect.js';

/** `/metrics`, in Prometheus' text format, or in OpenMetrics for clients that accept it. */
export const metricsRoute =
  (pipeline: Pipeline): HttpPart =>
  (app) => {
    app.get('/metrics', async (request, reply) => {
      await collectGauges(pipeline);
      const text = await pipeline.metrics.registry.metrics();
      return /application\/openmetrics-text/.test(request.headers.accept ?? '')
        ? reply.type(Registry.OPENMETRICS_CONTENT_TYPE).send(openMetrics(text))
        : reply.type(Registry.PROMETHEUS_CONTENT_TYPE).send(text);
    });
  };

/**
 * Prometheus' text as OpenMetrics: a counter's family is named without `_total`. Not by prom-client 15, which renames
 * its counters for good when it is asked for OpenMetrics once: plain scrapes lack the `_total` from then on.
 */
const openMetrics = (text: string) =>
  `${text.replace(/^# (HELP|TYPE) (\S+)_total /gm, '# $1 $2 ').replace(/\n+/g, '\n')}# EOF\n`;
