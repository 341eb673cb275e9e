import type { LabelSpec } from '../../../gateway/types.js';
import { usageError } from '../../../lib/errors.js';
import { printAnswer } from '../../answer-text.js';
import { withClient } from '../../gateway-session.js';
import { gatewayOptions, labelOptionNames } from '../../option-groups.js';
import type { CommandContext, CommandDefinition } from '../../program.js';

const ID = { name: 'task_id', describe: 'as `task submit` printed it', required: true };

/** The label options of the command; every task needs them. */
export function requiredLabelSpec({ settings }: CommandContext): LabelSpec {
  if (settings.labelSpec !== null) return settings.labelSpec;
  throw usageError('--question', 'a task needs a question and its options', {
    hint: 'give --question and --options a,b,…, or --label-spec <file.json>',
  });
}

const submit: CommandDefinition = {
  name: 'submit',
  describe: 'submit one task',
  args: [{ name: 'data_url', describe: 'what is to be labeled', required: true }],
  options: [...gatewayOptions, ...labelOptionNames, 'callbackUrl', 'idempotencyKey'],
  examples: ['asg-ingest task submit https://x.example/1.jpg --question "Which animal?" --options cat,dog'],
  run: (context) => {
    const label_spec = requiredLabelSpec(context);
    const { taskType, consensusThreshold, callbackUrl, idempotencyKey } = context.settings;
    const params = {
      task_type: taskType,
      data_url: context.args[0] ?? '',
      label_spec,
      ...(consensusThreshold !== null && { consensus_threshold: consensusThreshold }),
      ...(callbackUrl !== null && { callback_url: callbackUrl }),
      ...(idempotencyKey !== null && { idempotency_key: idempotencyKey }),
    };
    return withClient(context, async (client, signal) => {
      printAnswer(context, await client.submitTask(params, { signal }));
      return 0;
    });
  },
};

const get: CommandDefinition = {
  name: 'get',
  describe: 'a task and its status',
  args: [ID],
  options: gatewayOptions,
  run: (context) =>
    withClient(context, async (client, signal) => {
      printAnswer(context, await client.getTask(context.args[0] ?? '', { signal }));
      return 0;
    }),
};

const result: CommandDefinition = {
  name: 'result',
  describe: "a task's result; status in_progress while it is being labeled",
  args: [ID],
  options: gatewayOptions,
  run: (context) =>
    withClient(context, async (client, signal) => {
      printAnswer(context, await client.getResult(context.args[0] ?? '', { signal }));
      return 0;
    }),
};

const wait: CommandDefinition = {
  name: 'wait',
  describe: "wait for a task's result",
  args: [ID],
  options: [...gatewayOptions, 'timeout', 'interval', 'until'],
  run: (context) => {
    const { timeout, interval, until } = context.settings;
    return withClient(context, async (client, signal) => {
      const options = { timeout, interval, until, signal };
      printAnswer(context, await client.pollResult(context.args[0] ?? '', options));
      return 0;
    });
  },
};

export const task: CommandDefinition = {
  name: 'task',
  describe: 'single tasks: submit, get, result, wait',
  options: [],
  subcommands: { submit, get, result, wait },
};
