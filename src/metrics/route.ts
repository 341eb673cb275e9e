import { Registry } from 'prom-client';
import type { HttpPart } from '../http/server.js';
import type { Pipeline } from '../pipeline.js';
import { collectGauges } from './collect.js';

/** `/metrics`, in Prometheus' text format, or in OpenMetrics for whoever accepts it. */
export const metricsRoute =
  (pipeline: Pipeline): HttpPart =>
  (app) => {
    const { registry } = pipeline.metrics;
    app.get('/metrics', async (request, reply) => {
      await collectGauges(pipeline);
      const open = /application\/openmetrics-text/.test(request.headers.accept ?? '');
      const type = open ? Registry.OPENMETRICS_CONTENT_TYPE : Registry.PROMETHEUS_CONTENT_TYPE;
      // prom-client keeps the format per registry; a scrape sets its own before any await.
      registry.setContentType(type as typeof Registry.PROMETHEUS_CONTENT_TYPE);
      return reply.type(type).send(await registry.metrics());
    });
  };
