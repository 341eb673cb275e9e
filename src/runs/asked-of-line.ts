import { createHash } from 'node:crypto';
import type { LineItem } from '../manifest/index.js';
import { canonical, type TaskContent } from './idempotency-key.js';
import type { TaskOptions } from './record.js';

/** The fields that a line may set apart from its run; null counts as absent. */
type Overrides = { [K in 'type' | 'label_spec' | 'consensus_threshold']?: LineItem[K] | null };

/** Digest of the question alone: the content of `--key content` without its address. */
export const askedDigest = ({ data_url: _of, ...asked }: TaskContent): string =>
  createHash('sha256').update(canonical(asked)).digest('hex').slice(0, 16);

/** Lines without fields of their own ask what their run asks. */
const ofRuns = new WeakMap<TaskOptions, string>();

/** The digest of what a valid line asks, for its row. */
export function askedOf(task: TaskOptions, line: Overrides): string {
  const own = line.type != null || line.label_spec != null || line.consensus_threshold != null;
  const known = own ? undefined : ofRuns.get(task);
  if (known !== undefined) return known;
  const asked = askedDigest({
    type: line.type ?? task.taskType,
    data_url: '',
    label_spec: line.label_spec ?? task.labelSpec ?? { question: '', options: [] },
    consensus_threshold: line.consensus_threshold ?? task.consensusThreshold,
  });
  if (!own) ofRuns.set(task, asked);
  return asked;
}
