import { secretsOfCredentials } from '../../../gateway/credentials.js';
import { hasSucceeded } from '../../../gateway/job-status.js';
import type { ManifestJob } from '../../../gateway/types.js';
import { maskerOf } from '../../../lib/mask.js';
import { plain } from '../../../lib/terminal.js';
import { printAnswer } from '../../answer-text.js';
import { withClient } from '../../gateway-session.js';
import { readJobCredentials } from '../../job-credentials.js';
import { gatewayOptions, labelOptionNames } from '../../option-groups.js';
import type { CommandContext, CommandDefinition } from '../../program.js';
import { requiredLabelSpec } from './task.js';

const ID = { name: 'job_id', describe: 'as `job create` printed it', required: true };

const create: CommandDefinition = {
  name: 'create',
  describe: 'have the Gateway itself read a manifest and label its lines',
  args: [{ name: 'manifest_url', describe: 's3://…, gs://… or https://…', required: true }],
  options: [...gatewayOptions, ...labelOptionNames, 'callbackUrl', 'credentialsFrom', 'delivery'],
  examples: [
    'asg-ingest job create s3://bucket/items.jsonl --label-spec spec.json --credentials-from env --delivery s3://bucket',
  ],
  run: (context) => {
    const { settings, io } = context;
    const [manifest_url = ''] = context.args;
    const { taskType, consensusThreshold, callbackUrl, credentialsFrom, delivery } = settings;
    const credentials =
      credentialsFrom === null ? undefined : readJobCredentials(manifest_url, credentialsFrom, io);
    const params = {
      manifest_url,
      label_spec: requiredLabelSpec(context),
      task_type: taskType,
      ...(consensusThreshold !== null && { consensus_threshold: consensusThreshold }),
      ...(callbackUrl !== null && { callback_url: callbackUrl }),
      ...(credentials !== undefined && { credentials }),
      ...(delivery !== null && { delivery: { type: 's3' as const, bucket: bucketOf(delivery) } }),
    };
    return withClient(context, async (client, signal) => {
      const job = await client.createJob(params, { signal });
      // A Gateway that hands credentials back must not get them printed.
      const mask = maskerOf(secretsOfCredentials(credentials));
      printAnswer(context, JSON.parse(mask(JSON.stringify(job))) as ManifestJob);
      return 0;
    });
  },
};

const bucketOf = (uri: string) => uri.replace(/^s3:\/\//, '').replace(/\/$/, '');

const get: CommandDefinition = {
  name: 'get',
  describe: 'a manifest job and its status',
  args: [ID],
  options: gatewayOptions,
  run: (context) =>
    withClient(context, async (client, signal) => {
      printAnswer(context, await client.getJob(context.args[0] ?? '', { signal }));
      return 0;
    }),
};

const wait: CommandDefinition = {
  name: 'wait',
  describe: 'wait for the end of a manifest job, with progress; exit status 1 when it ended badly',
  args: [ID],
  options: [...gatewayOptions, 'timeout', 'interval', 'quiet'],
  run: (context) => {
    const { interval, timeout } = context.settings;
    return withClient(context, async (client, signal) => {
      const onJob = context.settings.quiet ? () => undefined : progressOf(context);
      const job = await client.waitForJob(context.args[0] ?? '', { interval, timeout, signal, onJob });
      printAnswer(context, job);
      return hasSucceeded(job.status) ? 0 : 1;
    });
  },
};

/** A line on stderr for each answer that differs from the one before. */
function progressOf({ io, settings }: CommandContext): (job: ManifestJob) => void {
  let last = '';
  return (job) => {
    const text = settings.json ? JSON.stringify(job) : progressLine(job);
    if (text !== last) io.stderr.write(`${text}\n`);
    last = text;
  };
}

/** The status, and the counts that the Gateway gives. */
function progressLine({ job_id, status, ...rest }: ManifestJob): string {
  const counts = Object.entries(rest).filter(([, value]) => typeof value === 'number');
  return plain([`${job_id} ${status}`, ...counts.map(([name, value]) => `${name} ${value}`)].join('  '));
}

export const job: CommandDefinition = {
  name: 'job',
  describe: 'manifest jobs: create, get, wait',
  options: [],
  subcommands: { create, get, wait },
};
