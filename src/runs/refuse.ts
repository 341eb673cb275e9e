import { IngestError } from '../lib/errors.js';
import type { Manifest } from '../manifest/index.js';
import type { RedisClient } from '../redis/connection.js';
import { checkStream } from './cursor.js';
import { type RunKeys, runKeys } from './keys.js';
import type { RunRecord } from './record.js';
import { type Since, sinceOf } from './since.js';
import type { Marker } from './sink-marker.js';

const WAYS_OUT =
  '--run-id <new> makes a run of its own; --since <run> or --key content buys only what is new';

const identityOf = ({ manifest: { uri, identity = uri } }: RunRecord) => identity;

/** Refuses to go on under a run's name with something else. */
export function refuseOtherRun(known: RunRecord, wanted: RunRecord, isStream: boolean): void {
  const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
  const differs =
    (identityOf(known) !== identityOf(wanted) && 'another manifest') ||
    (known.task.gold !== wanted.task.gold && 'other gold lines') ||
    (!same(known.task, wanted.task) && 'other task options') ||
    (!same(sinceOf(known.since), sinceOf(wanted.since)) && sinceText(known.since)) ||
    (known.gateway !== wanted.gateway && 'another Gateway') ||
    (known.pilot?.lines !== wanted.pilot?.lines && 'other lines of its manifest') ||
    (known.keyFingerprint !== wanted.keyFingerprint && 'another API key') ||
    (!isStream && known.manifest.version !== wanted.manifest.version && 'another version of its manifest');
  if (!differs) return;
  const key = differs === 'another API key' && `\`asg-ingest rekey ${known.id}\` moves it to the new key`;
  throw new IngestError(
    'manifest_changed',
    `run ${known.id} is on record with ${differs}; nothing was sent`,
    {
      hint: key || WAYS_OUT,
    },
  );
}

const sinceText = (since: Since | undefined): string =>
  since === undefined
    ? 'no --since'
    : `--since ${since.run}${since.carry ? ' --carry' : ', without --carry'}`;

/** A run that has bought nothing, and so has no task under its key, may go on with another. */
export async function hasBoughtNothing(redis: RedisClient, keys: RunKeys): Promise<boolean> {
  const [accepted, settled, inFlight] = await redis.hmget(keys.counts, 'accepted', 'settled', 'in_flight');
  return accepted === null && Number(settled ?? 0) === 0 && Number(inFlight ?? 0) === 0;
}

/** The parts in a place were made of another manifest, or another question: rows would be mixed. */
export function refuseOtherPlace(marker: Marker | null, wanted: RunRecord, out: string): void {
  if (marker === null || marker.run_id !== wanted.id || marker.manifest === undefined) return;
  const differs =
    (marker.manifest.digest !== wanted.manifest.digest && 'another manifest, or another version of it') ||
    (marker.spec_digest !== wanted.specDigest && 'other task options') ||
    (JSON.stringify(marker.since) !== JSON.stringify(sinceOf(wanted.since)) && sinceText(marker.since));
  if (!differs) return;
  throw new IngestError(
    'manifest_changed',
    `--out: ${out} holds what run ${wanted.id} made of ${differs}; nothing was sent`,
    { hint: 'give another --run-id and another --out, or take the manifest and the options that it had' },
  );
}

/** A stream has no version, so its content is read again up to where the run had read it. */
export async function refuseOtherStream(
  redis: RedisClient,
  prefix: string,
  id: string,
  manifest: Manifest,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    for (const source of manifest.sources) await checkStream(redis, runKeys(prefix, id), source, { signal });
  } catch (error) {
    if (!(error instanceof IngestError) || error.code !== 'source_changed') throw error;
    throw new IngestError('manifest_changed', `run ${id}: ${error.message}; nothing was sent`, {
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      cause: error,
    });
  }
}
