import type { Pipeline } from '../pipeline/pipeline.js';
import { runKeys } from './keys.js';
import { listRuns, type RunHead } from './record.js';

/** The runs of the pipeline's Gateway and key that are ready and have not been summed up. */
export async function unfinishedRuns(pipeline: Pipeline): Promise<RunHead[]> {
  const { redis, prefix } = pipeline;
  const ours = (await listRuns(redis, prefix)).filter(
    (record) => record.gateway === pipeline.origin && record.keyFingerprint === pipeline.keyFingerprint,
  );
  const flags = await Promise.all(
    ours.map(({ id }) => redis.hmget(runKeys(prefix, id).record, 'ready', 'summed_up')),
  );
  return ours.filter((_record, index) => flags[index]?.[0] === '1' && flags[index]?.[1] !== '1');
}
