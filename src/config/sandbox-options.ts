import { boolean, choice, durationRange, integer, positive, share } from './define-option.js';

/** How the local Gateway behaves: `--sandbox-…` where a command starts it, without the prefix in `sandbox` itself. */
export const sandbox = {
  sandboxRateLimit: positive({
    describe: 'calls per second that the local Gateway allows; not limited when absent',
    default: null,
    max: 1_000_000,
    env: 'ASG_SANDBOX_RATE_LIMIT',
  }),
  sandboxRateLimitKind: choice(['bucket', 'fixed', 'sliding'], {
    describe: 'how its limit counts: token bucket, fixed window, sliding window',
    default: 'bucket',
    env: 'ASG_SANDBOX_RATE_LIMIT_KIND',
  }),
  sandboxRetryAfter: choice(['none', 'seconds', 'date'], {
    describe: 'whether and how its 429 says when to come back',
    default: 'seconds',
    env: 'ASG_SANDBOX_RETRY_AFTER',
  }),
  sandboxSettle: durationRange({
    describe: 'how long its tasks take to settle',
    default: { minMs: 1_000, maxMs: 5_000 },
    env: 'ASG_SANDBOX_SETTLE',
  }),
  sandboxQuota: integer({
    describe: 'its label quota; unlimited when absent',
    default: null,
    min: 0,
    max: 1_000_000_000,
    env: 'ASG_SANDBOX_QUOTA',
  }),
  sandboxErrorRate: share({
    describe: 'share of calls it answers with a 5xx',
    default: 0,
    env: 'ASG_SANDBOX_ERROR_RATE',
  }),
  sandboxLatency: durationRange({
    describe: 'how long its answers take',
    default: { minMs: 0, maxMs: 0 },
    env: 'ASG_SANDBOX_LATENCY',
  }),
  sandboxSeed: integer({
    describe: 'seed of its labels and chances',
    default: 1,
    min: 0,
    max: 2 ** 31 - 1,
    env: 'ASG_SANDBOX_SEED',
  }),
  sandboxResetBefore: share({
    describe: 'share of calls whose connection it resets before acting',
    default: 0,
    env: 'ASG_SANDBOX_RESET_BEFORE',
  }),
  sandboxResetAfter: share({
    describe: 'share of calls whose connection it resets after acting: the answer is lost',
    default: 0,
    env: 'ASG_SANDBOX_RESET_AFTER',
  }),
  sandboxLatencyAfter: durationRange({
    describe: 'how long its answers are held back after it acted: a delivery may overtake one',
    default: { minMs: 0, maxMs: 0 },
    env: 'ASG_SANDBOX_LATENCY_AFTER',
  }),
  sandboxWebhookDrop: share({
    describe: 'share of webhook deliveries it loses',
    default: 0,
    env: 'ASG_SANDBOX_WEBHOOK_DROP',
  }),
  sandboxWebhookDuplicate: share({
    describe: 'share of webhook deliveries it makes twice',
    default: 0,
    env: 'ASG_SANDBOX_WEBHOOK_DUPLICATE',
  }),
  sandboxWebhookDelay: durationRange({
    describe: 'how long after a task has settled its delivery starts',
    default: { minMs: 0, maxMs: 0 },
    env: 'ASG_SANDBOX_WEBHOOK_DELAY',
  }),
  sandboxControl: boolean({
    describe: 'let /__sandbox/… show what was bought and change how it behaves',
    env: 'ASG_SANDBOX_CONTROL',
  }),
  sandboxAllowOwnCredentials: boolean({
    describe: "let jobs without credentials use this process's own for S3 and Google Cloud Storage",
    env: 'ASG_SANDBOX_ALLOW_OWN_CREDENTIALS',
  }),
  sandboxAllowInternalAddresses: boolean({
    describe: "let jobs' manifests and callbacks be at loopback, private and link-local addresses",
    env: 'ASG_SANDBOX_ALLOW_INTERNAL_ADDRESSES',
  }),
};
