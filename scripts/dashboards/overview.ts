import type { PanelSpec } from './panel.js';

/**
 * One fleet: the processes of one Prometheus job, which share a Gateway key. Counters are each process' own and are
 * summed; gauges are the same in every process, and the greatest is taken.
 */
export const overview: Record<string, PanelSpec[]> = {
  Throughput: [
    {
      title: 'Lines per second',
      description:
        'Lines read into the queues, submitted, settled and failed. Settled far under submitted for longer than a task takes to settle: labels are slow, see the settle times. All at zero while lines wait: see "Blocked runs", then 429s.',
      unit: 'short',
      queries: [
        [
          'sum(rate(asg_ingest_manifest_lines_total{job="$job",outcome="enqueued"}[$__rate_interval]))',
          'read',
        ],
        [
          'sum(rate(asg_ingest_tasks_submitted_total{job="$job",outcome=~"created|replayed"}[$__rate_interval]))',
          'submitted',
        ],
        ['sum(rate(asg_ingest_tasks_settled_total{job="$job"}[$__rate_interval]))', 'settled'],
        ['sum(rate(asg_ingest_tasks_failed_total{job="$job"}[$__rate_interval]))', 'failed'],
      ],
    },
    {
      title: 'Calls per second, used against allowed',
      description:
        'Used close to allowed: the limit is the bottleneck, more processes do not help. Used far under allowed while lines wait: raise --concurrency or the number of processes. No line of allowed: no limit is in force.',
      unit: 'reqps',
      queries: [
        ['sum(rate(asg_ingest_gateway_requests_total{job="$job"}[$__rate_interval]))', 'used'],
        ['max(asg_ingest_gateway_rate_limit{job="$job"}) < Inf', 'allowed'],
      ],
    },
    {
      title: 'Gateway call time',
      description:
        'From sending a call to the end of its answer. A rising p99 with a steady p50: the Gateway is slow for some; both rising: it, or the network, is overloaded. Calls that end in a timeout are in it.',
      unit: 's',
      queries: ['0.5', '0.95', '0.99'].map(
        (q) =>
          [
            `histogram_quantile(${q}, sum by (le, operation) (rate(asg_ingest_gateway_request_duration_seconds_bucket{job="$job"}[$__rate_interval])))`,
            `{{operation}} p${Number(q) * 100}`,
          ] as const,
      ),
    },
  ],
  'The limit': [
    {
      title: '429s per second',
      description:
        'A few while the limit is being found are normal. Many for minutes: something else uses the same key, or --rate is above the limit. Lower it with `asg-ingest rate <n>`, or let it be found with `rate auto`.',
      unit: 'reqps',
      queries: [
        [
          'sum by (operation) (rate(asg_ingest_gateway_rate_limited_total{job="$job"}[$__rate_interval]))',
          '{{operation}}',
        ],
      ],
    },
    {
      title: 'Backoff, seconds per second',
      description:
        'Time waited, by reason: pauses of the whole fleet after a 429, and waits of single lines after server and network errors. server_error or network_error rising: the Gateway is in trouble; lines wait and fail only after --retry-for.',
      unit: 's',
      queries: [
        [
          'sum by (reason) (rate(asg_ingest_gateway_backoff_seconds_total{job="$job"}[$__rate_interval]))',
          '{{reason}}',
        ],
      ],
    },
    {
      title: 'Polls per label',
      description:
        'Result calls for each settled line; each takes a slot that a submission could use. Above about 3: raise --poll-delay to the usual settle time, or settle by webhook.',
      unit: 'short',
      queries: [
        [
          'sum(rate(asg_ingest_gateway_requests_total{job="$job",operation="result"}[$__rate_interval])) / (sum(rate(asg_ingest_tasks_settled_total{job="$job"}[$__rate_interval])) > 0)',
          'polls per label',
        ],
      ],
    },
  ],
  'Queues and lines': [
    {
      title: 'Queue depths',
      description:
        'Jobs in the queues of all runs. submit waiting at --max-queued is normal: the producer waits for room. poll waiting that grows: polls do not get through, see 429s. Any failed: a defect; see the log, and the sweep queues the lines again.',
      unit: 'short',
      queries: [['max by (queue, state) (asg_ingest_queue_jobs{job="$job"})', '{{queue}} {{state}}']],
    },
    {
      title: 'In flight',
      description:
        'Tasks submitted and not yet settled, by run. At --max-in-flight: submissions wait for settlements, and the Gateway is the bottleneck.',
      unit: 'short',
      queries: [['max by (run) (asg_ingest_run_lines{job="$job",state="in_flight"})', '{{run}}']],
    },
    {
      title: 'Oldest in flight',
      description:
        'The age of the oldest task lately found pending. Near --result-timeout (24 h): such lines are about to fail as result_timeout; ask the Gateway about them, or raise the timeout.',
      unit: 's',
      queries: [['max(asg_ingest_in_flight_oldest_seconds{job="$job"})', 'oldest']],
    },
    {
      title: 'Time from submission to settled',
      kind: 'heatmap',
      description:
        'Each column: how many lines settled, by how long they took. A band that drifts up: labelers are slower. A second band far above: tasks whose labelers disagree.',
      unit: 's',
      queries: [
        [
          'sum by (le) (increase(asg_ingest_settle_duration_seconds_bucket{job="$job"}[$__rate_interval]))',
          '{{le}}',
        ],
      ],
    },
    {
      title: 'Failures per second by code',
      description:
        'Lines that will not settle. rejected or invalid_line: the manifest; retries_exhausted: the Gateway was in trouble longer than --retry-for, `asg-ingest retry <run>` puts them back; task_*: the Gateway gave the task up.',
      unit: 'short',
      queries: [
        [
          'sum by (stage, code) (rate(asg_ingest_tasks_failed_total{job="$job"}[$__rate_interval]))',
          '{{stage}} {{code}}',
        ],
      ],
    },
    {
      title: 'Results made durable per second',
      description:
        'Rows written to parts; they come in bursts, a part at a time. None for longer than --part-age while lines settle: the sink, or no process sees it.',
      unit: 'short',
      queries: [
        ['sum by (sink) (rate(asg_ingest_results_written_total{job="$job"}[$__rate_interval]))', '{{sink}}'],
        ['sum(max by (run) (asg_ingest_run_unwritten_rows{job="$job"}))', 'not in a part yet (rows)'],
      ],
    },
  ],
  Runs: [
    {
      title: 'Progress',
      description: 'Share of the known lines that have ended, by run. Standing still: see "Blocked runs".',
      unit: 'percentunit',
      queries: [
        [
          'sum by (run) (max by (run, state) (asg_ingest_run_lines{job="$job",state=~"settled|failed"})) / on (run) max by (run) (asg_ingest_run_lines{job="$job",state="total"} > 0)',
          '{{run}}',
        ],
      ],
    },
    {
      title: 'Time to the end',
      description:
        'For the lines known so far; it grows while the producer still reads. Growing afterwards: the pace falls, see 429s and settle times.',
      unit: 's',
      queries: [['max by (run) (asg_ingest_run_eta_seconds{job="$job"})', '{{run}}']],
    },
    {
      title: 'Cost',
      description: 'Satoshis paid so far, by run. Faster than expected: --budget caps what a run may buy.',
      unit: 'sats',
      queries: [['max by (run) (asg_ingest_run_cost_sats{job="$job"})', '{{run}}']],
    },
    {
      title: 'Blocked runs',
      description:
        'Runs that stand still until somebody acts, by reason. key_refused: correct the key; quota: top it up; sink: correct --out; `asg-ingest status <run>` says what to do. Zero is well.',
      unit: 'short',
      span: 12,
      queries: [
        ['sum by (reason) (max by (run, reason) (asg_ingest_run_blocked{job="$job"}))', '{{reason}}'],
      ],
    },
    {
      title: 'Webhook deliveries per second',
      description:
        'bad_signature: somebody else, or another secret. unknown_task rising: deliveries for tasks of other fleets. All zero with --webhook-url: the address is not reached from outside; lines settle by polling.',
      unit: 'short',
      span: 12,
      queries: [
        ['sum by (outcome) (rate(asg_ingest_webhooks_total{job="$job"}[$__rate_interval]))', '{{outcome}}'],
      ],
    },
  ],
  'Processes and Redis': [
    {
      title: 'Pods',
      kind: 'stat',
      description: 'Processes that answer scrapes. Fewer than you started: see restarts and their logs.',
      unit: 'short',
      span: 6,
      queries: [['count(up{job="$job"} == 1)', 'up']],
    },
    {
      title: 'Restarts, last hour',
      kind: 'stat',
      description:
        'Starts of processes that were there before. Any: see the log, and memory against its limit.',
      unit: 'short',
      span: 6,
      queries: [['sum(changes(process_start_time_seconds{job="$job"}[1h]))', 'restarts']],
    },
    {
      title: 'Redis memory used',
      kind: 'stat',
      description:
        'Share of maxmemory; nothing where no limit is set. Above 80%: lower --max-queued, or give Redis more. Full: writes fail and runs stand still, with nothing lost.',
      unit: 'percentunit',
      span: 6,
      queries: [
        [
          'max(asg_ingest_redis_memory_bytes{job="$job"} / (asg_ingest_redis_memory_limit_bytes{job="$job"} > 0))',
          'used',
        ],
      ],
    },
    {
      title: 'Keys evicted by Redis',
      kind: 'stat',
      description:
        'Must be 0: an evicted key is a lost job, or worse. Set maxmemory-policy to noeviction; lines whose jobs are lost are queued again by the sweep.',
      unit: 'short',
      span: 6,
      queries: [['max(asg_ingest_redis_evicted_keys{job="$job"})', 'evicted']],
    },
    {
      title: 'Redis memory',
      description:
        'Follows the windows --max-queued, --max-in-flight and results in no part yet. Rising without end: results do not leave, see "Results made durable".',
      unit: 'bytes',
      queries: [['max by (node) (asg_ingest_redis_memory_bytes{job="$job"})', '{{node}}']],
    },
    {
      title: 'Event-loop lag, p99',
      description:
        'Above 0.1 s: the process has too little CPU, and slots of the budget are used late. Above a few seconds: job locks expire, and jobs run twice (harmless, and wasteful). Give it more CPU, or lower --concurrency.',
      unit: 's',
      queries: [['max by (instance) (nodejs_eventloop_lag_p99_seconds{job="$job"})', '{{instance}}']],
    },
    {
      title: 'Memory of the processes',
      description:
        'Flat over a run of any length. Rising without end: a defect; restart the process, nothing is lost.',
      unit: 'bytes',
      queries: [['max by (instance) (process_resident_memory_bytes{job="$job"})', '{{instance}}']],
    },
  ],
};
