import { RUN_ID } from '../lib/run-id.js';
import { REDIS_PROTOCOLS, withOneHost } from '../redis/address.js';
import {
  boolean,
  choice,
  countOrShare,
  duration,
  instant,
  integer,
  type Option,
  positive,
  rateWindows,
  share,
  size,
  text,
  url,
} from './define-option.js';
import { envelopes } from './envelope-options.js';
import { gatewayCall } from './gateway-options.js';
import { ports } from './port-options.js';
import { quality } from './quality-options.js';
import { sandbox } from './sandbox-options.js';
import { stores } from './store-options.js';
import { tasks } from './task-options.js';

const HTTP = ['http:', 'https:'];
const port = { min: 0, max: 65_535, placeholder: 'port' };
const MANY = 1_000_000_000;
const KEY = /^(?!["'])[\x21-\x7e]+$/;
const KEY_EXPECTED = 'a key of printable characters, without spaces and without quotes around it';

/** Every setting there is, by its key; its flag and its name in settings files are the key in kebab-case. */
export const options = {
  out: text({
    describe: 'where results go (default: out/<run id>)',
    default: null,
    env: 'ASG_OUT',
    placeholder: 'dir|s3://…|gs://…',
  }),
  runId: text({
    describe: 'name of the run (default: made of the manifest, the task options, the key and the Gateway)',
    default: null,
    placeholder: 'id',
    pattern: RUN_ID,
    expected: 'a run id: 1 to 64 letters, digits, dots, underscores and dashes, not . or ..',
  }),
  gatewayUrl: url({
    describe: "the Gateway's address",
    default: 'https://api.asgrefinery.io',
    env: 'ASG_BASE_URL',
    protocols: HTTP,
  }),
  apiKey: text({
    describe: 'the Gateway key; its file may be named by ASG_API_KEY_FILE instead',
    default: null,
    env: 'ASG_API_KEY',
    only: 'env',
    secret: true,
    pattern: KEY,
    expected: KEY_EXPECTED,
  }),
  oldApiKey: text({
    describe: 'the key that a run began with, for `rekey`, where it still works',
    default: null,
    env: 'ASG_OLD_API_KEY',
    only: 'env',
    secret: true,
    pattern: KEY,
    expected: KEY_EXPECTED,
  }),
  notifySecret: text({
    describe: 'signs the notices of --notify',
    default: null,
    env: 'ASG_NOTIFY_SECRET',
    only: 'env',
    secret: true,
  }),
  notify: text({
    describe: 'where notices of a run go (https): half of it done, completed, blocked, a forecast overrun',
    default: null,
    env: 'ASG_NOTIFY_URL',
    secret: true,
    placeholder: 'url',
    pattern: /^(https:\/\/[^\s@]+|http:\/\/(127\.0\.0\.1|localhost|\[::1\])(:\d+)?(\/\S*)?)$/,
    expected: 'a URL that begins with https:// (http:// on this host only), without user and password',
  }),
  webhookSecret: text({
    describe: 'signs webhook deliveries',
    default: null,
    env: 'ASG_WEBHOOK_SECRET',
    only: 'env',
    secret: true,
  }),
  redisUrl: url({
    describe: 'the Redis to use (default: an embedded one in the data directory)',
    default: null,
    env: 'REDIS_URL',
    secret: true,
    protocols: REDIS_PROTOCOLS,
    normal: withOneHost,
  }),
  dataDir: text({
    describe: "the embedded Redis' files, the local Gateway's state, spools",
    default: '.asg-ingest',
    env: 'ASG_DATA_DIR',
    placeholder: 'dir',
  }),
  prefix: text({
    describe: 'key prefix in Redis',
    default: 'asg',
    env: 'ASG_PREFIX',
    placeholder: 'name',
    pattern: /^[^\s{}:]{1,64}$/,
    expected: 'a prefix: 1 to 64 characters without spaces, braces and colons',
  }),

  ...tasks,

  rate: rateWindows({
    describe:
      'Gateway calls allowed to this key, all processes together: per second, or as 10/s,20000/d (default: found out)',
    default: null,
    env: 'ASG_RATE',
  }),
  concurrency: integer({
    describe: 'most calls in flight per process',
    default: 200,
    min: 1,
    max: 10_000,
    env: 'ASG_CONCURRENCY',
  }),
  maxQueued: integer({
    describe: 'most lines waiting in Redis for submission',
    default: 20_000,
    min: 1,
    max: MANY,
    env: 'ASG_MAX_QUEUED',
  }),
  maxInFlight: integer({
    describe: 'most tasks submitted and not yet settled',
    default: 100_000,
    min: 1,
    max: MANY,
    env: 'ASG_MAX_IN_FLIGHT',
  }),
  poll: choice(['auto', 'fixed'], {
    describe:
      'auto: by what the run has learned; fixed: gaps that double from --poll-delay to --poll-max-delay',
    default: 'auto',
  }),
  pollDelay: duration({ describe: 'the least gap before a poll', default: 5_000, min: 1 }),
  pollMaxDelay: duration({ describe: 'the greatest gap between polls', default: 60_000, min: 1 }),
  resultTimeout: duration({ describe: 'how long a result is waited for', default: 86_400_000, min: 1 }),
  until: choice(['verified', 'settled'], { describe: 'when a line counts as ended', default: 'settled' }),
  maxFailures: countOrShare({ describe: 'block the run past this many failures', default: null }),
  ...quality,
  pilot: integer({
    describe: 'take so many lines, spread over all of the manifest, and forecast the rest of it',
    default: null,
    min: 1,
    max: 100_000,
    only: 'flag',
    placeholder: 'n lines',
  }),
  finishBy: instant({
    describe: 'say early when the run will not have ended by then, and what would make it',
    default: null,
    only: 'flag',
  }),
  budget: integer({
    describe: 'never buy more than this many new tasks in this run',
    default: null,
    min: 1,
    max: MANY,
    placeholder: 'n tasks',
  }),
  ...envelopes,
  retryFor: duration({
    describe: 'how long a call is tried that keeps failing for reasons not its own',
    default: 3_600_000,
  }),
  weight: positive({ describe: "this run's share of the budget beside other runs'", default: 1, max: 1_000 }),
  partSize: size({ describe: 'a part is closed at this size', default: 64 * 1024 ** 2, min: 1 }),
  partAge: duration({ describe: 'a part is closed at this age', default: 300_000, min: 1 }),
  compress: boolean({ describe: 'write parts as .gz' }),
  ...stores,
  ca: text({
    describe: 'a PEM file of certificates to trust as well, in every connection',
    default: null,
    env: 'ASG_CA',
    placeholder: 'file',
  }),

  ...ports,

  sandbox: boolean({ describe: 'start a local Gateway for this run, and use it' }),
  ...sandbox,
  port: integer({ describe: 'where the local Gateway listens', default: 8_081, only: 'flag', ...port }),
  host: text({
    describe: 'the address it listens on',
    default: '127.0.0.1',
    only: 'flag',
    placeholder: 'host',
  }),

  ...gatewayCall,

  config: text({
    describe: 'settings file (JSON or YAML) over config/default.*',
    default: null,
    env: 'ASG_CONFIG',
    only: 'flag',
    placeholder: 'file',
  }),
  logLevel: choice(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], {
    describe: 'how much is logged on stderr',
    default: 'warn',
    defaults: { work: 'info', sandbox: 'info' },
    env: 'ASG_LOG_LEVEL',
    placeholder: 'level',
  }),
  debug: boolean({ describe: 'log more, and show stack traces', only: 'flag' }),
  printConfig: boolean({ describe: 'print the settings and where each comes from, then exit', only: 'flag' }),
  json: boolean({ describe: 'print JSON', only: 'flag' }),
  quiet: boolean({ describe: 'no progress', only: 'flag' }),
  watch: boolean({ describe: 'go on showing it, each second', only: 'flag' }),
  prune: boolean({ describe: 'forget the runs that have ended', only: 'flag' }),
  order: choice(['settled', 'line'], {
    describe: 'the order of the results: as they settled, or by line',
    default: 'settled',
    only: 'flag',
  }),
  price: positive({
    describe: 'what a label costs, if neither past runs of this key nor, for `plan`, the bill show it',
    default: null,
    max: 1_000_000_000,
    only: 'flag',
    placeholder: 'sats',
  }),
  sample: share({
    describe: 'check this share of the manifest only, and say how far off that may be (default: all of it)',
    default: null,
    only: 'flag',
    placeholder: 'n%',
  }),
  format: choice(['jsonl', 'csv', 'parquet'], {
    describe: 'what the results are printed as; metadata is JSON text in csv and parquet',
    default: 'jsonl',
    only: 'flag',
  }),
  follow: boolean({ describe: 'go on until the run has ended', only: 'flag' }),
  outFile: text({
    describe: 'where the report goes; - is standard output (default: report-<run>.html)',
    default: null,
    only: 'flag',
    placeholder: 'file',
  }),
};

export type OptionKey = keyof typeof options;

/** A value for every option. */
export type Values = {
  [K in OptionKey]: (typeof options)[K] extends Option<infer T> ? T : never;
};

/** The options of the local Gateway, for commands that start it. */
export const sandboxKeys = Object.keys(sandbox) as (keyof typeof sandbox)[];

const lowerFirst = (word: string) => word.charAt(0).toLowerCase() + word.slice(1);

/** The same for `asg-ingest sandbox`, where their flags go without the prefix: `rateLimit` is `sandboxRateLimit`. */
const unprefixed = new Map<string, OptionKey>(
  sandboxKeys.map((key) => [lowerFirst(key.slice('sandbox'.length)), key]),
);

/** Keys of the options of `asg-ingest sandbox`. */
export const sandboxCommandKeys: readonly string[] = ['port', 'host', ...unprefixed.keys()];

/** The setting of a command's option; undefined when there is no such option. */
export function settingOf(key: string): OptionKey | undefined {
  return Object.hasOwn(options, key) ? (key as OptionKey) : unprefixed.get(key);
}

/** The option of a setting, its type put aside. */
export const optionOf = (key: OptionKey): Option<unknown> => options[key];

export const kebab = (key: string): string => key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** The flag of an option's key: `--poll-delay`. */
export const flagOf = (key: string): string => `--${kebab(key)}`;
