/** Names of a run's keys in Redis. They share one hash tag, so that a Redis Cluster keeps a run on one shard. */
export interface RunKeys {
  /** BullMQ's key prefix for the run's queues. */
  queuePrefix: string;
  record: string;
  counts: string;
  failures: string;
  labels: string;
  calls: string;
  cursor: string;
  lease: string;
  fence: string;
  /** Lease: one process at a time sums the run up, or takes its failures back. */
  tally: string;
  results: string;
  plan: string;
  parts: string;
  /** Hash of what was seen of settle times, by bin. */
  settleTimes: string;
  /** There while one process looks for tasks that sleep too long. */
  bringingForward: string;
  /** Hash: consumer → whether its counts are on record, when it was last there (ms of Redis' clock), calls per second. */
  consumers: string;
  /** Hash: what happened when, and how the results are distributed. See `history.ts`. */
  history: string;
  /** Hash: a few failed lines of each code. */
  examples: string;
  /** Hash: task → its line jobs, for tasks whose settling a webhook delivery tells of. */
  tasks: string;
  /** Hash: task → what its delivery said, until its lines have ended. */
  hints: string;
  /** Bit n of a source's map: line n + 1 has ended as a result or a failure. */
  ended(source: number): string;
  /** Bit n of a source's map: line n + 1 may have been bought, and has not ended. */
  admitted(source: number): string;
}

export const RUN_ID = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,64}$/;

export function runKeys(prefix: string, runId: string): RunKeys {
  const tag = `{${prefix}:${runId}}`;
  const key = (name: string) => `${tag}:${name}`;
  return {
    queuePrefix: tag,
    record: key('run'),
    counts: key('counts'),
    failures: key('failures'),
    labels: key('labels'),
    calls: key('calls'),
    cursor: key('cursor'),
    lease: key('lease'),
    fence: key('fence'),
    tally: key('tally'),
    results: key('results'),
    plan: key('plan'),
    parts: key('parts'),
    settleTimes: key('settle-times'),
    bringingForward: key('bringing-forward'),
    consumers: key('consumers'),
    history: key('history'),
    examples: key('examples'),
    tasks: key('tasks'),
    hints: key('hints'),
    ended: (source) => key(`ended:${source}`),
    admitted: (source) => key(`admitted:${source}`),
  };
}

/** All of a run's keys but its queues', whose names are BullMQ's. */
export function allKeys({ queuePrefix: _notOurs, ended, admitted, ...named }: RunKeys, sources: number) {
  const bits = Array.from({ length: sources }, (_, source) => [ended(source), admitted(source)]);
  return [...Object.values(named), ...bits.flat()];
}

/** Field of the record: the highest number of a failures part that `retry` has set aside. */
export const SUPERSEDED = 'superseded';

/** Sorted set of run ids, scored by the time of their first start (epoch ms). */
export const runsIndexKey = (prefix: string) => `${prefix}:runs`;

/** Hash: a manifest's identity without its version → the run that was made of it, and the version it had. */
export const manifestsKey = (prefix: string) => `${prefix}:manifests`;

/** What a delivery said of a task, for a submission that records that task only later. */
export const deliveryKey = (prefix: string, keyFingerprint: string, task: string) =>
  `${prefix}:delivery:${keyFingerprint}:${task}`;

/** Held by the process that registers the key's webhook. */
export const webhookLockKey = (prefix: string, keyFingerprint: string, origin: string) =>
  `${prefix}:webhook:{${keyFingerprint}@${origin}}`;

export const budgetKey = (prefix: string, keyFingerprint: string, origin: string) =>
  `${prefix}:budget:{${keyFingerprint}@${origin}}`;
