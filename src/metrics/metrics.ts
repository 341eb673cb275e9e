import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { GatewayCall } from '../gateway/types.js';
import { VERSION } from '../lib/version.js';
import { createGauges } from './gauges.js';
import { createPendingAge } from './pending-age.js';

const NAME = 'asg_ingest_';
const CALL_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const SETTLE_SECONDS = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 10_800, 43_200, 86_400];
const SINKS = ['dir', 's3', 'gs'];
/** Gauges that are named like counters; the same figures come by type as `nodejs_active_handles` and so on. */
const MISNAMED = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
];

/** What `createMetrics` returns. */
export type Metrics = ReturnType<typeof createMetrics>;

/**
 * The metrics of a process, under their public names: counters, which this process adds to, and gauges, which a scrape
 * reads from Redis. Known label values start at 0, so that the first event is an increase.
 */
export function createMetrics(options: { defaults?: boolean } = {}) {
  const registry = new Registry();
  if (options.defaults) {
    collectDefaultMetrics({ register: registry });
    for (const name of MISNAMED) registry.removeSingleMetric(name);
  }
  const registers = [registry];
  const counter = <T extends string>(
    name: string,
    help: string,
    labelNames: T[] = [],
    known: Record<T, string>[] = [],
  ) => {
    const made = new Counter<T>({ name: NAME + name, help, labelNames, registers });
    for (const labels of known) made.inc(labels, 0);
    return made;
  };
  const histogram = <T extends string>(name: string, help: string, buckets: number[], labelNames: T[] = []) =>
    new Histogram<T>({ name: NAME + name, help, buckets, labelNames, registers });

  const requests = counter(
    'gateway_requests_total',
    'Gateway calls, one per HTTP attempt.',
    ['operation', 'status'],
    [
      { operation: 'submit', status: '202' },
      { operation: 'result', status: '200' },
      { operation: 'result', status: '202' },
    ],
  );
  const durations = histogram(
    'gateway_request_duration_seconds',
    'Time of a Gateway call, from sending it to the end of its answer.',
    CALL_SECONDS,
    ['operation'],
  );
  const rateLimited = counter(
    'gateway_rate_limited_total',
    'Gateway calls answered with 429.',
    ['operation'],
    each('operation', ['submit', 'result']),
  );
  new Gauge({ name: `${NAME}build_info`, help: 'Always 1.', labelNames: ['version'], registers }).set(
    { version: VERSION },
    1,
  );
  const pendingAge = createPendingAge();
  new Gauge({
    name: `${NAME}in_flight_oldest_seconds`,
    help: 'Age of the oldest task that this process lately found pending.',
    registers,
    collect() {
      this.set(pendingAge.ms() / 1000);
    },
  });
  return {
    registry,
    manifestLines: counter(
      'manifest_lines_total',
      'Manifest lines read.',
      ['outcome'],
      each('outcome', ['enqueued', 'rejected', 'skipped', 'unchanged']),
    ),
    manifestBytes: counter('manifest_bytes_total', 'Manifest bytes read, decompressed.'),
    backoffSeconds: counter(
      'gateway_backoff_seconds_total',
      'Time waited after refused or failed calls.',
      ['reason'],
      each('reason', ['rate_limited', 'server_error', 'network_error']),
    ),
    submitted: counter(
      'tasks_submitted_total',
      'Submissions by what became of them.',
      ['outcome'],
      each('outcome', ['created', 'replayed', 'failed']),
    ),
    settled: counter(
      'tasks_settled_total',
      'Lines settled by this process.',
      ['settled_by'],
      each('settled_by', ['poll', 'webhook']),
    ),
    failed: counter('tasks_failed_total', 'Lines failed by this process.', ['stage', 'code']),
    gold: counter(
      'gold_lines_total',
      'Gold lines settled by this process, by whether their label is the known one.',
      ['outcome'],
      each('outcome', ['agreed', 'disagreed']),
    ),
    polls: counter(
      'polls_total',
      'Polls by what they found.',
      ['outcome'],
      each('outcome', ['pending', 'settled', 'failed']),
    ),
    settleSeconds: histogram('settle_duration_seconds', 'Submission to settled.', SETTLE_SECONDS),
    resultsWritten: counter(
      'results_written_total',
      'Result and failure rows made durable.',
      ['sink'],
      each('sink', SINKS),
    ),
    parts: counter('result_parts_total', 'Parts made durable.', ['sink'], each('sink', SINKS)),
    webhooks: counter(
      'webhooks_total',
      'Webhook deliveries received.',
      ['outcome'],
      each('outcome', ['accepted', 'bad_signature', 'unknown_task', 'duplicate']),
    ),
    notifications: counter(
      'notifications_total',
      'Notices of --notify, by what became of them.',
      ['outcome'],
      each('outcome', ['sent', 'failed']),
    ),
    gauges: createGauges(registry, NAME),
    /** A poll found a task of this age (ms) still pending. */
    pending: pendingAge.see,
    call(call: GatewayCall) {
      requests.inc({ operation: call.operation, status: String(call.status) });
      durations.observe({ operation: call.operation }, call.durationMs / 1000);
      if (call.status === 429) rateLimited.inc({ operation: call.operation });
    },
  };
}

const each = <T extends string>(label: T, values: string[]) =>
  values.map((value) => ({ [label]: value }) as Record<T, string>);
