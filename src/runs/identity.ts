import { createHash } from 'node:crypto';
import type { TaskOptions } from './record.js';
import type { Since } from './since.js';

const digest = (value: unknown, length: number) =>
  createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, length);

/** A run's identity without the manifest's version: the same manifest and options, even after later writes to it. */
export function manifestIdentity(
  identity: string,
  task: TaskOptions,
  origin: string,
  since?: Since | undefined,
): string {
  const { taskType, labelSpec, consensusThreshold, key, map, gold, escalate } = task;
  const more = [
    ...(map ? [map] : []),
    ...(gold ? [{ gold }] : []),
    ...(escalate ? [{ escalate }] : []),
    ...(since ? [{ since: since.run, carry: since.carry }] : []),
  ];
  return digest([identity, taskType, labelSpec, consensusThreshold, key, origin, ...more], 32);
}

/** The options that decide a line's label, beside the line itself. */
export const specDigestOf = (task: TaskOptions): string =>
  digest([task.taskType, task.labelSpec, task.consensusThreshold], 16);

export const manifestDigestOf = (sources: readonly { name: string; version: string }[], isStream: boolean) =>
  digest(
    sources.map(({ name, version }) => [name, isStream ? null : version]),
    32,
  );

export function defaultRunId(
  identity: string,
  version: string,
  task: TaskOptions,
  origin: string,
  since?: Since | undefined,
): string {
  return digest([manifestIdentity(identity, task, origin, since), version], 12);
}

/** Distinguishes keys without holding them (invariant 6). */
export function keyFingerprint(apiKey: string): string {
  return createHash('sha256').update(apiKey).digest('hex').slice(0, 12);
}
