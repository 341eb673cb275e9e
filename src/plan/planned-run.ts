import type { Settings } from '../config/index.js';
import type { Manifest } from '../manifest/index.js';
import type { AskedSince } from '../producers/since/find-earlier.js';
import type { RedisClient } from '../redis/connection.js';
import { defaultRunId, manifestIdentity } from '../runs/identity.js';
import { type KnownManifest, runOf, type TaskOptions } from '../runs/record.js';
import { sinceOf } from '../runs/since.js';

/** The recorded run of this manifest and these options, perhaps of an earlier version of the manifest. */
export async function knownRun(
  { redis, origin }: { redis: RedisClient | null; origin: string },
  { prefix }: Settings,
  manifest: Manifest,
  task: TaskOptions,
  since: AskedSince | undefined,
) {
  if (redis === null) return null;
  return runOf(redis, prefix, manifestIdentity(manifest.identity, task, origin, sinceOf(since)));
}

/** Like `prepareRun`: the same command continues the run that it began, under any name. */
export function runIdOf(
  known: KnownManifest | null,
  task: TaskOptions,
  manifest: Manifest,
  origin: string,
  since: AskedSince | undefined,
): string {
  const same = known !== null && task.key === 'line' && known.version === manifest.version;
  return same ? known.run : defaultRunId(manifest.identity, manifest.version, task, origin, sinceOf(since));
}

/** With `--key line`, `run` refuses a manifest that has changed since a run was made of it. */
export function otherVersion(known: KnownManifest | null, settings: Settings, manifest: Manifest): string[] {
  if (known === null || settings.runId !== null || settings.key !== 'line' || settings.since !== null)
    return [];
  if (known.version === manifest.version) return [];
  return [
    `the manifest has changed since run ${known.run} was made of it, so \`run\` would refuse it: --since ${known.run} or --key content buys only what is new, --run-id <new> every line again`,
  ];
}
