import { removeOrphanSpools, spoolDirOf } from '../../manifest/index.js';
import type { Store } from '../../pipeline/open.js';
import { openQueues } from '../../queues/queues.js';
import { allKeys, manifestsKey, runKeys, runsIndexKey } from '../../runs/keys.js';
import { acquireLease } from '../../runs/lease.js';
import { readRun } from '../../runs/read-status.js';
import { listRuns, type RunHead } from '../../runs/record.js';
import { storeOptions } from '../option-groups.js';
import type { CommandDefinition } from '../program.js';
import { FIRST_RUN, NO_RUN, withStore } from '../session.js';
import { formatTable } from '../table.js';

export const runs: CommandDefinition = {
  name: 'runs',
  describe: 'the runs on record; --prune forgets those that have ended (their results stay)',
  options: [...storeOptions, 'prune', 'json'],
  run: ({ settings, log, io }) =>
    withStore(settings, log, async (store) => {
      const { prefix } = settings;
      if (settings.prune) {
        const pruned = await prune(store, prefix);
        await removeOrphanSpools(spoolDirOf(settings.dataDir));
        io.stderr.write(`${pruned.length} ended runs forgotten; their results stay where they are\n`);
      }
      const records = await listRuns(store.redis, prefix);
      if (records.length === 0) io.stderr.write(`asg-ingest: ${NO_RUN}\n  → ${FIRST_RUN}\n`);
      const readings = await Promise.all(records.map(({ id }) => readRun(store.redis, prefix, id)));
      const statuses = readings.flatMap((reading) =>
        reading ? [{ ...reading.status, out: reading.record.out }] : [],
      );
      if (settings.json) {
        for (const status of statuses) io.stdout.write(`${JSON.stringify(status)}\n`);
        return 0;
      }
      const rows = statuses.map((s) => [
        s.run_id,
        s.reason ? `${s.state}: ${s.reason}` : s.state,
        s.lines,
        s.settled,
        s.failed,
        s.started_at,
        s.manifest.uri,
      ]);
      io.stdout.write(
        `${formatTable(['run', 'state', 'lines', 'settled', 'failed', 'started', 'manifest'], rows)}\n`,
      );
      return 0;
    }),
};

const UNLINKED_AT_ONCE = 1_000;

async function unlinkAll(redis: Store['redis'], names: Iterable<string>): Promise<void> {
  let some: string[] = [];
  for (const name of names) {
    some.push(name);
    if (some.length < UNLINKED_AT_ONCE) continue;
    await redis.unlink(...some);
    some = [];
  }
  if (some.length > 0) await redis.unlink(...some);
}

/** Deletes the runs that have ended and have a summary. */
async function prune(store: Store, prefix: string): Promise<RunHead[]> {
  const { redis } = store;
  const ended: RunHead[] = [];
  for (const record of await listRuns(redis, prefix))
    if (await forget(store, prefix, record)) ended.push(record);
  const known = await redis.hgetall(manifestsKey(prefix));
  const gone = new Set(ended.map(({ id }) => id));
  for (const [identity, text] of Object.entries(known))
    if (gone.has((JSON.parse(text) as { run: string }).run)) await redis.hdel(manifestsKey(prefix), identity);
  return ended;
}

/** Deletes one run, unless it has not ended or `retry` opens it at this moment. `retry` holds the same lease. */
async function forget({ redis, connection }: Store, prefix: string, record: RunHead): Promise<boolean> {
  const keys = runKeys(prefix, record.id);
  if (!(await readRun(redis, prefix, record.id))?.summedUp) return false;
  const tally = await acquireLease(redis, keys, keys.tally);
  if (tally === null) return false;
  try {
    if (!(await readRun(redis, prefix, record.id))?.summedUp) return false;
    const queues = openQueues(keys, connection, () => undefined);
    for (const queue of [queues.submit, queues.poll, queues.flush]) await queue.obliterate({ force: true });
    await queues.close();
    await unlinkAll(redis, allKeys(keys, record.manifest.count));
    await redis.zrem(runsIndexKey(prefix), record.id);
    return true;
  } finally {
    await tally.release();
  }
}
