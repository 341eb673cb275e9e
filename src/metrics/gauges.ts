import { Gauge, type Registry } from 'prom-client';

export type Gauges = ReturnType<typeof createGauges>;

/**
 * The gauges that a scrape reads from Redis. Every process reports the same values: aggregate them with `max`, never
 * with `sum`.
 */
export function createGauges(registry: Registry, prefix: string) {
  const gauge = <T extends string>(name: string, help: string, labelNames: T[] = []) =>
    new Gauge<T>({
      name: prefix + name,
      help: `${help} Aggregate with max.`,
      labelNames,
      registers: [registry],
    });
  return {
    rateLimit: gauge(
      'gateway_rate_limit',
      'Calls per second now allowed to the key; +Inf: no limit in force.',
    ),
    pause: gauge('gateway_pause_seconds', 'How long the key is still paused after a 429.'),
    circuit: gauge(
      'gateway_circuit_open',
      '1 while the Gateway answers nothing but errors and the fleet sends one probe at a time.',
    ),
    queueJobs: gauge('queue_jobs', 'Jobs in the queues, summed over runs; each carries up to 100 lines.', [
      'queue',
      'state',
    ]),
    runLines: gauge('run_lines', 'Lines of a run.', ['run', 'state']),
    runBlocked: gauge('run_blocked', '1 while a run is blocked for the reason.', ['run', 'reason']),
    runState: gauge('run_state', '1 for the state that a run is in.', ['run', 'state']),
    runFailures: gauge('run_failures', 'Failed lines of a run.', ['run', 'code']),
    runCalls: gauge('run_gateway_calls', 'Gateway calls of a run, over all its resumptions.', [
      'run',
      'operation',
      'status',
    ]),
    runBackoff: gauge('run_backoff_seconds', 'Time a run has waited after refused or failed calls.', ['run']),
    runCost: gauge('run_cost_sats', 'What a run has cost so far.', ['run']),
    runEta: gauge('run_eta_seconds', 'Time to the end of the lines known so far; absent while unknown.', [
      'run',
    ]),
    forecastCost: gauge(
      'forecast_cost_sats',
      'What a run is expected to cost in all; absent while unknown.',
      ['run'],
    ),
    forecastEnd: gauge(
      'forecast_end_timestamp_seconds',
      'When a run is expected to end, Unix time; absent while unknown. After its end, when that was.',
      ['run'],
    ),
    runUnwritten: gauge('run_unwritten_rows', 'Rows of a run that are in no part yet.', ['run']),
    redisMemory: gauge('redis_memory_bytes', 'Memory that Redis uses.', ['node']),
    redisMemoryLimit: gauge('redis_memory_limit_bytes', "Redis' maxmemory; 0: none is set.", ['node']),
    redisEvicted: gauge('redis_evicted_keys', 'Keys that Redis has evicted since it started: lost jobs.', [
      'node',
    ]),
  };
}
