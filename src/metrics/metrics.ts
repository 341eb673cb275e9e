import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { GatewayCall } from '../gateway/types.js';

const NAME = 'asg_ingest_';
const CALL_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const SETTLE_SECONDS = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 10_800, 43_200, 86_400];

export type Metrics = ReturnType<typeof createMetrics>;

/** The process' counters, by the names users hold us to. Gauges of queues and runs are added by the metrics server. */
export function createMetrics(options: { defaults?: boolean } = {}) {
  const registry = new Registry();
  if (options.defaults) collectDefaultMetrics({ register: registry });
  const counter = <T extends string>(name: string, help: string, labelNames: T[] = []) =>
    new Counter<T>({ name: NAME + name, help, labelNames, registers: [registry] });
  const histogram = <T extends string>(name: string, help: string, buckets: number[], labelNames: T[] = []) =>
    new Histogram<T>({ name: NAME + name, help, buckets, labelNames, registers: [registry] });

  const requests = counter('gateway_requests_total', 'Gateway calls, one per HTTP attempt.', [
    'operation',
    'status',
  ]);
  const durations = histogram(
    'gateway_request_duration_seconds',
    'Time of a Gateway call, from sending it to the end of its answer.',
    CALL_SECONDS,
    ['operation'],
  );
  const rateLimited = counter('gateway_rate_limited_total', 'Gateway calls answered with 429.', [
    'operation',
  ]);
  return {
    registry,
    manifestLines: counter('manifest_lines_total', 'Manifest lines read.', ['outcome']),
    manifestBytes: counter('manifest_bytes_total', 'Manifest bytes read, decompressed.'),
    backoffSeconds: counter('gateway_backoff_seconds_total', 'Time waited after refused or failed calls.', [
      'reason',
    ]),
    submitted: counter('tasks_submitted_total', 'Submissions by what became of them.', ['outcome']),
    settled: counter('tasks_settled_total', 'Lines settled by this process.', ['settled_by']),
    failed: counter('tasks_failed_total', 'Lines failed by this process.', ['stage', 'code']),
    polls: counter('polls_total', 'Polls by what they found.', ['outcome']),
    settleSeconds: histogram('settle_duration_seconds', 'Submission to settled.', SETTLE_SECONDS),
    resultsWritten: counter('results_written_total', 'Result and failure rows made durable.', ['sink']),
    parts: counter('result_parts_total', 'Parts made durable.', ['sink']),
    webhooks: counter('webhooks_total', 'Webhook deliveries received.', ['outcome']),
    rateLimit: new Gauge({
      name: `${NAME}gateway_rate_limit`,
      help: 'Calls per second now allowed to the key.',
      registers: [registry],
    }),
    queueJobs: new Gauge({
      name: `${NAME}queue_jobs`,
      help: 'Jobs in the queues, summed over runs. The same in every process: aggregate with max.',
      labelNames: ['queue', 'state'] as const,
      registers: [registry],
    }),
    runLines: new Gauge({
      name: `${NAME}run_lines`,
      help: 'Lines of each run by state. The same in every process: aggregate with max.',
      labelNames: ['run', 'state'] as const,
      registers: [registry],
    }),
    runBlocked: new Gauge({
      name: `${NAME}run_blocked`,
      help: '1 while a run is blocked for the reason.',
      labelNames: ['run', 'reason'] as const,
      registers: [registry],
    }),
    call(call: GatewayCall) {
      requests.inc({ operation: call.operation, status: String(call.status) });
      durations.observe({ operation: call.operation }, call.durationMs / 1000);
      if (call.status === 429) rateLimited.inc({ operation: call.operation });
    },
  };
}
