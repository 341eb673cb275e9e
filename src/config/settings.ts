import type { LabelSpec } from '../gateway/types.js';
import type { OptionKey, Values } from './option-table.js';
import { type RateWindow, splitWindows } from './rate-windows.js';
import { Secret, secretUrl } from './secret.js';
import type { DurationRange } from './units.js';

/** How the local Gateway behaves. Rates are per second, shares from 0 to 1. */
export interface SandboxSettings {
  host: string;
  port: number;
  rateLimit: number | null;
  rateLimitKind: 'bucket' | 'fixed' | 'sliding';
  retryAfter: 'none' | 'seconds' | 'date';
  settle: DurationRange;
  quota: number | null;
  errorRate: number;
  latency: DurationRange;
  seed: number;
  resetBefore: number;
  resetAfter: number;
  latencyAfter: DurationRange;
  webhookDrop: number;
  webhookDuplicate: number;
  webhookDelay: DurationRange;
  s3Endpoint: string | null;
  gcsEndpoint: string | null;
  control: boolean;
  allowOwnCredentials: boolean;
  allowInternalAddresses: boolean;
}

/** The origin of a setting's value, for `--print-config`. */
export interface SettingOrigin {
  key: OptionKey;
  /** The value for people, masked where it is secret; `-` when there is none. */
  shown: string;
  /** `default`, `environment ASG_RATE`, `file settings.yaml`, `flag --rate`. */
  from: string;
}

type Renamed =
  | 'apiKey'
  | 'webhookSecret'
  | 'oldApiKey'
  | 'notifySecret'
  | 'notify'
  | 'metricsToken'
  | 'operatorToken'
  | 'redisUrl'
  | 'rate'
  | 'question'
  | 'options'
  | 'labelSpec'
  | 'pollDelay'
  | 'pollMaxDelay'
  | 'resultTimeout'
  | 'retryFor'
  | 'partSize'
  | 'partAge'
  | 'host'
  | 'port'
  | Extract<OptionKey, `sandbox${Capitalize<string>}`>;

/** All settings, resolved: durations in ms, sizes in bytes; null where there is no value. Defaults: src/config/option-table.ts. */
export interface Settings extends Omit<Values, Renamed | 'sandbox'> {
  sandbox: boolean;
  apiKey: Secret | null;
  webhookSecret: Secret | null;
  oldApiKey: Secret | null;
  notifySecret: Secret | null;
  /** Anyone who knows a chat's address may write there. */
  notify: Secret | null;
  /** Asked of requests to the port; null: none. */
  metricsToken: Secret | null;
  /** Asked of requests that change something; null: nothing can be changed. */
  operatorToken: Secret | null;
  redisUrl: Secret | null;
  /** Gateway calls per second, of the windows of `--rate` that are a pace. */
  rate: number | null;
  /** The longer windows of `--rate`. */
  rateQuotas: readonly RateWindow[];
  /** From `--label-spec`, or `--question` and `--options`. */
  labelSpec: LabelSpec | null;
  pollDelayMs: number;
  pollMaxDelayMs: number;
  resultTimeoutMs: number;
  retryForMs: number;
  partSizeBytes: number;
  partAgeMs: number;
  sandboxOptions: SandboxSettings;
  origins: readonly SettingOrigin[];
}

/** Every secret that the settings hold, for masking what is printed. */
export function secretsOf({
  apiKey,
  webhookSecret,
  metricsToken,
  operatorToken,
  redisUrl,
  ...more
}: Settings): string[] {
  const url = redisUrl === null ? undefined : new URL(redisUrl.reveal());
  const password = url?.password ?? '';
  const texts = [
    apiKey?.reveal(),
    webhookSecret?.reveal(),
    more.oldApiKey?.reveal(),
    more.notifySecret?.reveal(),
    more.notify?.reveal(),
    metricsToken?.reveal(),
    operatorToken?.reveal(),
    password,
    decodeURIComponent(password),
  ];
  return [...new Set(texts.filter((text) => text !== undefined && text !== ''))] as string[];
}

export function toSettings(
  values: Values,
  labelSpec: LabelSpec | null,
  origins: readonly SettingOrigin[],
): Settings {
  const {
    apiKey,
    webhookSecret,
    oldApiKey,
    notifySecret,
    notify,
    metricsToken,
    operatorToken,
    redisUrl,
    rate,
    question: _question,
    options: _options,
    labelSpec: _labelSpec,
    pollDelay,
    pollMaxDelay,
    resultTimeout,
    retryFor,
    partSize,
    partAge,
    host,
    port,
    sandboxRateLimit,
    sandboxRateLimitKind,
    sandboxRetryAfter,
    sandboxSettle,
    sandboxQuota,
    sandboxErrorRate,
    sandboxLatency,
    sandboxSeed,
    sandboxResetBefore,
    sandboxResetAfter,
    sandboxLatencyAfter,
    sandboxWebhookDrop,
    sandboxWebhookDuplicate,
    sandboxWebhookDelay,
    sandboxControl,
    sandboxAllowOwnCredentials,
    sandboxAllowInternalAddresses,
    ...same
  } = values;
  const { pace, quotas } = splitWindows(rate ?? []);
  return {
    ...same,
    rate: pace,
    rateQuotas: quotas,
    apiKey: apiKey === null ? null : new Secret(apiKey),
    webhookSecret: webhookSecret === null ? null : new Secret(webhookSecret),
    oldApiKey: oldApiKey === null ? null : new Secret(oldApiKey),
    notifySecret: notifySecret === null ? null : new Secret(notifySecret),
    notify: notify === null ? null : new Secret(notify),
    metricsToken: metricsToken === null ? null : new Secret(metricsToken),
    operatorToken: operatorToken === null ? null : new Secret(operatorToken),
    redisUrl: redisUrl === null ? null : secretUrl(redisUrl),
    labelSpec,
    pollDelayMs: pollDelay,
    pollMaxDelayMs: pollMaxDelay,
    resultTimeoutMs: resultTimeout,
    retryForMs: retryFor,
    partSizeBytes: partSize,
    partAgeMs: partAge,
    sandboxOptions: {
      host,
      port,
      rateLimit: sandboxRateLimit,
      rateLimitKind: sandboxRateLimitKind,
      retryAfter: sandboxRetryAfter,
      settle: sandboxSettle,
      quota: sandboxQuota,
      errorRate: sandboxErrorRate,
      latency: sandboxLatency,
      seed: sandboxSeed,
      resetBefore: sandboxResetBefore,
      resetAfter: sandboxResetAfter,
      s3Endpoint: same.s3Endpoint,
      gcsEndpoint: same.gcsEndpoint,
      latencyAfter: sandboxLatencyAfter,
      webhookDrop: sandboxWebhookDrop,
      webhookDuplicate: sandboxWebhookDuplicate,
      webhookDelay: sandboxWebhookDelay,
      control: sandboxControl,
      allowOwnCredentials: sandboxAllowOwnCredentials,
      allowInternalAddresses: sandboxAllowInternalAddresses,
    },
    origins,
  };
}
