import { boolean, duration, list, text, url } from './define-option.js';

const flag = { default: null, only: 'flag' } as const;

/** The arguments of one call of the Gateway commands (`task`, `batch`, `job`, `webhook`, `account`, `billing`). */
export const gatewayCall = {
  callbackUrl: url({
    describe: 'where the Gateway delivers the result: the URL of a registered webhook',
    protocols: ['http:', 'https:'],
    ...flag,
  }),
  idempotencyKey: text({
    describe: 'the same key again gives the same task, not charged again (default: a fresh one)',
    placeholder: 'key',
    ...flag,
  }),
  timeout: duration({
    describe: 'how long to wait in all',
    default: 300_000,
    min: 1,
    only: 'flag',
  }),
  interval: duration({ describe: 'the wait between two looks', default: 5_000, min: 1, only: 'flag' }),
  resolveIds: boolean({
    describe: 'learn the task ids that the answer leaves out: one more call a task, not charged',
    only: 'flag',
  }),
  credentialsFrom: text({
    describe:
      "where the bucket's credentials are: env (AWS_… variables, or GOOGLE_APPLICATION_CREDENTIALS), or a file (JSON, or an AWS credentials file)",
    placeholder: 'env|file',
    ...flag,
  }),
  delivery: text({
    describe: 'the bucket that takes the results',
    placeholder: 's3://bucket',
    pattern: /^s3:\/\/[^/\s]+\/?$/,
    expected: 'a bucket like s3://name',
    ...flag,
  }),
  events: list({ describe: 'what is delivered (default: task.settled)', ...flag }),
  name: text({ describe: 'name of the new customer', placeholder: 'name', ...flag }),
  email: text({
    describe: 'e-mail address of the new customer',
    placeholder: 'address',
    pattern: /^[^@\s]+@[^@\s]+$/,
    expected: 'an e-mail address',
    ...flag,
  }),
  month: text({
    describe: 'the month (default: the present one)',
    placeholder: 'YYYY-MM',
    pattern: /^\d{4}-(0[1-9]|1[0-2])$/,
    expected: 'a month like 2026-11',
    ...flag,
  }),
};
