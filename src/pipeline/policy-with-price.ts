import type { Settings } from '../config/index.js';
import { readHistory } from '../plan/history.js';
import { runPolicy, taskOptions } from '../runs/from-settings.js';
import type { RunPolicy } from '../runs/record.js';
import type { Pipeline } from './pipeline.js';

/** If sats are limited, the price of past runs of this key outranks `--price`. */
export async function policyWithPrice(pipeline: Pipeline, settings: Settings): Promise<RunPolicy> {
  const policy = runPolicy(settings);
  if (settings.spend === null && settings.spendPerDay === null) return policy;
  const whose = {
    gateway: pipeline.origin,
    keyFingerprint: pipeline.keyFingerprint,
    task: taskOptions(settings),
    runId: settings.runId ?? '',
  };
  const { price } = await readHistory(pipeline.redis, pipeline.prefix, whose);
  return price === null ? policy : { ...policy, priceSats: Math.ceil(price.value) };
}
