import { formatCondition } from '../config/escalation-condition.js';
import { formatHours, inNamedZone, type Settings } from '../config/index.js';
import type { Gold } from './gold.js';
import type { RunPolicy, TaskOptions } from './record.js';

/** The options of a run, from a command's settings. */

export const taskOptions = (settings: Settings, gold: Gold | null = null): TaskOptions => ({
  taskType: settings.taskType,
  labelSpec: settings.labelSpec,
  consensusThreshold: settings.consensusThreshold,
  key: settings.key,
  ...(settings.onSameKey === 'share' ? { onSameKey: 'share' as const } : {}),
  ...(settings.map !== null && { map: settings.map }),
  ...(gold !== null && { gold: gold.digest }),
  ...(settings.escalate !== null && { escalate: formatCondition(settings.escalate) }),
});

export const runPolicy = (settings: Settings): RunPolicy => ({
  maxQueued: settings.maxQueued,
  maxInFlight: settings.maxInFlight,
  poll: settings.poll,
  pollDelayMs: settings.pollDelayMs,
  pollMaxDelayMs: settings.pollMaxDelayMs,
  resultTimeoutMs: settings.resultTimeoutMs,
  until: settings.until,
  maxFailures: settings.maxFailures,
  maxGoldErrors: settings.maxGoldErrors,
  budget: settings.budget,
  spend: settings.spend,
  spendPerDay: settings.spendPerDay,
  priceSats: settings.price,
  hours: settings.hours === null ? null : formatHours(inNamedZone(settings.hours)),
  ...(settings.escalate !== null && { escalates: true as const }),
  retryForMs: settings.retryForMs,
  partSizeBytes: settings.partSizeBytes,
  partAgeMs: settings.partAgeMs,
  compress: settings.compress,
  weight: settings.weight,
  finishBy: settings.finishBy,
});
