import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Registry } from 'prom-client';
import { usageError } from '../errors.js';
import type { Pipeline } from '../pipeline.js';
import { collectGauges } from './gauges.js';

export interface MetricsServer {
  /** `http://host:port`, with the port that was taken. */
  readonly url: string;
  close(): Promise<void>;
}

const REDIS_ANSWER_MS = 2_000;

/** Serves `/metrics` (Prometheus text, or OpenMetrics where it is asked for), `/healthz` and `/readyz`. */
export async function serveMetrics(
  pipeline: Pipeline,
  { metricsPort, metricsHost }: { metricsPort: number | null; metricsHost: string },
): Promise<MetricsServer> {
  const { registry } = pipeline.metrics;
  const routes: Record<string, (request: IncomingMessage, response: ServerResponse) => Promise<void>> = {
    async '/metrics'(request, response) {
      await collectGauges(pipeline);
      const open = /application\/openmetrics-text/.test(request.headers.accept ?? '');
      const type = open ? Registry.OPENMETRICS_CONTENT_TYPE : Registry.PROMETHEUS_CONTENT_TYPE;
      // prom-client keeps the format per registry; a scrape sets its own before any await.
      registry.setContentType(type as typeof Registry.PROMETHEUS_CONTENT_TYPE);
      const text = await registry.metrics();
      response.writeHead(200, { 'content-type': type }).end(text);
    },
    async '/healthz'(_request, response) {
      response.writeHead(200).end('ok\n');
    },
    async '/readyz'(_request, response) {
      const ready = await Promise.race([pipeline.redis.ping().then(() => true), late(REDIS_ANSWER_MS)]).catch(
        () => false,
      );
      response.writeHead(ready ? 200 : 503).end(ready ? 'ready\n' : 'Redis does not answer\n');
    },
  };
  const server = createServer((request, response) => {
    const route = routes[(request.url ?? '/').split('?')[0] ?? '/'];
    if (route === undefined) return void response.writeHead(404).end('not found\n');
    route(request, response).catch((error: unknown) => {
      pipeline.log.warn({ err: error }, 'a request to the metrics port failed');
      response.writeHead(503).end('not available now\n');
    });
  });
  server.listen(metricsPort ?? 0, metricsHost);
  await once(server, 'listening').catch((error: Error) => {
    throw usageError('--metrics-port', `cannot listen on ${metricsHost}:${metricsPort}: ${error.message}`, {
      hint: '--metrics-port 0 takes a free port',
    });
  });
  const { port } = server.address() as AddressInfo;
  let closing: Promise<void> | undefined;
  return {
    url: `http://${metricsHost.includes(':') ? `[${metricsHost}]` : metricsHost}:${port}`,
    close() {
      closing ??= new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
      return closing;
    },
  };
}

const late = (ms: number) => new Promise<false>((resolve) => setTimeout(() => resolve(false), ms).unref());
