import type { PanelSpec } from './panel.js';

const lines = (state: string) => `max(asg_ingest_run_lines{job="$job",run="$run",state="${state}"})`;
/** Of a gauge that only grows, and is read from Redis by every process alike. */
const pace = (selector: string) => `max by (run) (rate(${selector}[$__rate_interval]))`;

/** One run, by what Redis has of it: the same whichever processes did the work, over all resumptions. */
export const oneRun: Record<string, PanelSpec[]> = {
  Now: [
    {
      title: 'Ended',
      kind: 'stat',
      description: 'Share of the known lines that have settled or failed. Standing still: see "Blocked".',
      unit: 'percentunit',
      span: 4,
      queries: [[`(${lines('settled')} + ${lines('failed')}) / (${lines('total')} > 0)`, 'ended']],
    },
    {
      title: 'Lines',
      kind: 'stat',
      description: 'Non-blank lines read so far; all of them once the producer is done.',
      unit: 'short',
      span: 4,
      queries: [[lines('total'), 'lines']],
    },
    {
      title: 'Time to the end',
      kind: 'stat',
      description:
        'Of the lines known so far, at the pace of the run up to now. Nothing while paused or blocked.',
      unit: 's',
      span: 4,
      queries: [['max(asg_ingest_run_eta_seconds{job="$job",run="$run"})', 'to go']],
    },
    {
      title: 'Cost',
      kind: 'stat',
      description: 'Satoshis paid so far. More than planned: `asg-ingest pause`, then --budget.',
      unit: 'sats',
      span: 4,
      queries: [['max(asg_ingest_run_cost_sats{job="$job",run="$run"})', 'sats']],
    },
    {
      title: 'Failed',
      kind: 'stat',
      description:
        'Share of the ended lines that failed. Above a percent or two: see the codes below; --max-failures stops a run in time.',
      unit: 'percentunit',
      span: 4,
      queries: [[`${lines('failed')} / ((${lines('settled')} + ${lines('failed')}) > 0)`, 'failed']],
    },
    {
      title: 'Blocked',
      kind: 'stat',
      description:
        '1 while the run stands still until somebody acts. `asg-ingest status <run>` says why, and what to do.',
      unit: 'short',
      span: 4,
      queries: [['max(asg_ingest_run_blocked{job="$job",run="$run"})', 'blocked']],
    },
  ],
  'Over time': [
    {
      title: 'Lines by state',
      description:
        'queued and in flight are the windows, and flat while the run is at work; settled grows. queued at 0 with lines left: the producer has stopped, start `produce` or `run` again.',
      unit: 'short',
      span: 12,
      queries: [['max by (state) (asg_ingest_run_lines{job="$job",run="$run"})', '{{state}}']],
    },
    {
      title: 'Lines ended per second',
      description:
        'At zero while lines are in flight: tasks do not settle, or polls do not get through (429s).',
      unit: 'short',
      span: 12,
      queries: [
        [pace('asg_ingest_run_lines{job="$job",run="$run",state="settled"}'), 'settled'],
        [pace('asg_ingest_run_lines{job="$job",run="$run",state="failed"}'), 'failed'],
      ],
    },
    {
      title: 'Gateway calls by answer',
      description:
        'Calls of the run so far. 5xx, network_error or timeout growing: the Gateway is in trouble, and lines wait. 401 and 403 block the run.',
      unit: 'short',
      queries: [
        [
          'max by (operation, status) (asg_ingest_run_gateway_calls{job="$job",run="$run"})',
          '{{operation}} {{status}}',
        ],
      ],
    },
    {
      title: '429s per second',
      description:
        'A few while the limit is being found are normal. Many for minutes: something else uses the key.',
      unit: 'reqps',
      queries: [
        [
          'sum by (operation) (max by (operation, status) (rate(asg_ingest_run_gateway_calls{job="$job",run="$run",status="429"}[$__rate_interval])))',
          '{{operation}}',
        ],
      ],
    },
    {
      title: 'Backoff so far',
      description: 'Time waited after refused and failed calls. Steeper than the clock: most lines wait.',
      unit: 's',
      queries: [['max(asg_ingest_run_backoff_seconds{job="$job",run="$run"})', 'waited']],
    },
    {
      title: 'Failures by code',
      description:
        'Lines that failed so far. invalid_* and rejected: correct the lines, the failures file is a manifest; retries_exhausted, result_timeout: `asg-ingest retry <run>`.',
      unit: 'short',
      queries: [['max by (code) (asg_ingest_run_failures{job="$job",run="$run"})', '{{code}}']],
    },
    {
      title: 'Polls per label',
      description:
        'Result calls per settled line, over the whole run. Above about 3: raise --poll-delay, or use webhooks.',
      unit: 'short',
      queries: [
        [
          `sum(max by (operation, status) (asg_ingest_run_gateway_calls{job="$job",run="$run",operation="result"})) / (${lines('settled')} > 0)`,
          'polls per label',
        ],
      ],
    },
    {
      title: 'Rows in no part yet',
      description:
        'Falls to 0 each time a part is closed. Only growing: no process writes to the sink; see its log.',
      unit: 'short',
      queries: [['max(asg_ingest_run_unwritten_rows{job="$job",run="$run"})', 'rows']],
    },
  ],
};
