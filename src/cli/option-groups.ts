import { sandboxKeys } from '../config/index.js';

/** Which options a command takes, by what it does. Keys of the option table. */
const common = ['config', 'logLevel', 'debug', 'printConfig', 'ca'];

export const storeOptions = [
  ...common,
  'redisUrl',
  'dataDir',
  'prefix',
  's3Endpoint',
  'gcsEndpoint',
  'requesterPays',
];

const sandboxOptions = [
  'sandbox',
  'sandboxRateLimit',
  'sandboxRateLimitKind',
  'sandboxRetryAfter',
  'sandboxSettle',
  'sandboxQuota',
  'sandboxErrorRate',
  'sandboxLatency',
  'sandboxSeed',
  'sandboxResetBefore',
  'sandboxResetAfter',
  'sandboxLatencyAfter',
  'sandboxWebhookDrop',
  'sandboxWebhookDuplicate',
  'sandboxWebhookDelay',
  'sandboxControl',
  'sandboxAllowOwnCredentials',
  'sandboxAllowInternalAddresses',
];

export const pipelineOptions = [
  ...storeOptions,
  ...sandboxOptions,
  'gatewayUrl',
  'rate',
  'concurrency',
  'metricsPort',
  'metricsHost',
  'metricsAllowHost',
  'queueBoardWrites',
  'webhookUrl',
  'webhookPort',
  'webhookHost',
  'webhookTrust',
  'notify',
];

/** Options of a command that calls the Gateway and needs no Redis. */
export const gatewayOptions = [...common, ...sandboxOptions, 'dataDir', 'gatewayUrl', 'json'];

/** The options that say what a task asks. */
export const labelOptionNames = ['taskType', 'question', 'options', 'labelSpec', 'consensusThreshold'];

export const taskOptionNames = [...labelOptionNames, 'key', 'map'];

export const manifestOptions = [
  'out',
  'runId',
  'since',
  'carry',
  'maxQueued',
  'maxInFlight',
  'poll',
  'pollDelay',
  'pollMaxDelay',
  'resultTimeout',
  'until',
  'maxFailures',
  'gold',
  'escalate',
  'maxGoldErrors',
  'budget',
  'finishBy',
  'spend',
  'spendPerDay',
  'price',
  'hours',
  'retryFor',
  'partSize',
  'partAge',
  'compress',
  'weight',
];

/** The groups of a command's help, in order. Options of no group come last, under `Options:`. */
export const HELP_GROUPS: readonly (readonly [heading: string, keys: readonly string[]])[] = [
  ['What is asked:', [...taskOptionNames, 'gold', 'escalate']],
  ['The run:', ['out', 'runId', 'since', 'carry', 'sandbox', 'gatewayUrl', 'json', 'quiet']],
  ['Pace:', ['rate', 'concurrency', 'maxQueued', 'maxInFlight', 'weight', 'hours']],
  ['Limits:', ['budget', 'spend', 'spendPerDay', 'price', 'maxFailures', 'maxGoldErrors', 'retryFor']],
  ['When a line has ended:', ['until', 'poll', 'pollDelay', 'pollMaxDelay', 'resultTimeout']],
  ['Parts of results:', ['partSize', 'partAge', 'compress']],
  ['Redis and stores:', ['redisUrl', 'dataDir', 'prefix', 's3Endpoint', 'gcsEndpoint', 'requesterPays']],
  [
    'Ports, webhooks, notices:',
    pipelineOptions.filter((key) => /^(metrics|queueBoard|webhook|notify)/.test(key)),
  ],
  ['Settings, log:', ['config', 'printConfig', 'logLevel', 'debug', 'ca']],
  ['Local Gateway (with --sandbox):', sandboxKeys],
];
