/** Names of a run's keys in Redis. They share one hash tag, so that a Redis Cluster keeps a run on one shard. */
export interface RunKeys {
  /** BullMQ's key prefix for the run's queues. */
  queuePrefix: string;
  record: string;
  /** Names of the sources, apart from the record: it is read often, and there may be 100,000. */
  sources: string;
  /** JSON: the lines that a pilot takes. */
  chosen: string;
  /** JSON: the lines of `--gold`. */
  gold: string;
  /** JSON: the forecast that the run is compared with, made by `plan`, a pilot, or the run itself. */
  planned: string;
  counts: string;
  failures: string;
  labels: string;
  calls: string;
  cursor: string;
  lease: string;
  /** Lease: one process at a time sums the run up, or takes its failures back. */
  tally: string;
  results: string;
  plan: string;
  parts: string;
  /** Hash of the observed settle times, by bin. */
  settleTimes: string;
  /** Lock of the process that moves poll jobs forward. */
  bringingForward: string;
  /**
   * Hash: consumer → whether its counts are recorded, its last heartbeat (ms of Redis' clock), its calls per second.
   */
  consumers: string;
  /** Hash: what happened when, and how the results are distributed. See `history.ts`. */
  history: string;
  /** Hash: a few failed lines of each code. */
  examples: string;
  /** Set: lines that were refused before the Gateway had accepted any. */
  refused: string;
  /** Hash: sender → number of its last message of counts, so that none is added twice. */
  seen: string;
  /** Hash: notice → when it was sent; and the forecast that later ones are compared with. */
  notices: string;
  /** List: what `tune` has changed, each as JSON. */
  changes: string;
  /** Hash: task → what its delivery said, until its lines have ended. */
  hints: string;
  /** Bit n of a source's map: line n + 1 has ended as a result or a failure. */
  ended(source: number): string;
  /** Bit n of a source's map: line n + 1 may have been bought, and has not ended. */
  admitted(source: number): string;
  /** Bit n: line n + 1 was admitted more than once. So another process may be submitting it too. */
  contested(source: number): string;
  /** Bit n: what `--budget` had reserved for line n + 1 was given back. */
  givenBack(source: number): string;
  /** Bit n: line n + 1, which has not ended, has the task of another line or run, whose cost is counted there. */
  shared(source: number): string;
  /** Bit n: an earlier run has settled what line n + 1 asks. Without `--carry` it has no row. */
  unchanged(source: number): string;
  /** Bit n: a second task was reserved for line n + 1, whose first the Gateway has forgotten. */
  boughtAgain(source: number): string;
  /** Bit n: a second task is reserved for line n + 1, which is asked again. */
  escalated(source: number): string;
  /** Hash: task → its poll jobs, for tasks that a webhook delivery will report; tasks are spread over many. */
  tasks(bucket: number): string;
  /** Hash: idempotency key → the line it belongs to, for keys that lines may share; keys are spread over many. */
  sharedKeys(bucket: number): string;
}

export function runKeys(prefix: string, runId: string): RunKeys {
  const tag = `{${prefix}:${runId}}`;
  const key = (name: string) => `${tag}:${name}`;
  return {
    queuePrefix: tag,
    record: key('run'),
    sources: key('sources'),
    chosen: key('chosen'),
    gold: key('gold'),
    planned: key('planned'),
    counts: key('counts'),
    failures: key('failures'),
    labels: key('labels'),
    calls: key('calls'),
    cursor: key('cursor'),
    lease: key('lease'),
    tally: key('tally'),
    results: key('results'),
    plan: key('plan'),
    parts: key('parts'),
    settleTimes: key('settle-times'),
    bringingForward: key('bringing-forward'),
    consumers: key('consumers'),
    history: key('history'),
    examples: key('examples'),
    refused: key('refused'),
    seen: key('seen'),
    notices: key('notices'),
    changes: key('changes'),
    hints: key('hints'),
    ended: (source) => key(`ended:${source}`),
    admitted: (source) => key(`admitted:${source}`),
    contested: (source) => key(`contested:${source}`),
    givenBack: (source) => key(`given-back:${source}`),
    shared: (source) => key(`shared:${source}`),
    unchanged: (source) => key(`unchanged:${source}`),
    boughtAgain: (source) => key(`bought-again:${source}`),
    escalated: (source) => key(`escalated:${source}`),
    tasks: (bucket) => key(`tasks:${bucket}`),
    sharedKeys: (bucket) => key(`keys:${bucket}`),
  };
}

/** Buckets of the index of tasks: with a million tasks in flight Redis still keeps each in its compact form. */
export const TASK_BUCKETS = 8_192;

/** The same for the index of keys: eight million of them. */
export const KEY_BUCKETS = 65_536;

const BITS = [
  'ended',
  'admitted',
  'contested',
  'givenBack',
  'shared',
  'unchanged',
  'boughtAgain',
  'escalated',
] as const;

/** A source's bit maps. */
export const bitKeys = (keys: RunKeys, source: number): string[] => BITS.map((name) => keys[name](source));

/** All of a run's keys but its queues', whose names are BullMQ's. */
export function* allKeys(keys: RunKeys, sources: number): Generator<string> {
  for (const [name, value] of Object.entries(keys) as [string, unknown][])
    if (name !== 'queuePrefix' && typeof value === 'string') yield value;
  for (let source = 0; source < sources; source += 1) yield* bitKeys(keys, source);
  for (let bucket = 0; bucket < TASK_BUCKETS; bucket += 1) yield keys.tasks(bucket);
  for (let bucket = 0; bucket < KEY_BUCKETS; bucket += 1) yield keys.sharedKeys(bucket);
}

/** Field of the record: the highest number of a failures part that `retry` has set aside. */
export const SUPERSEDED = 'superseded';

/** Sorted set of run ids, scored by the time of their first start (epoch ms). */
export const runsIndexKey = (prefix: string) => `${prefix}:runs`;

/** Hash: a manifest's identity without its version → the run that was made of it, and the version it had. */
export const manifestsKey = (prefix: string) => `${prefix}:manifests`;

/** A delivery's content for a task, for a submission that records that task only later. */
export const deliveryKey = (prefix: string, keyFingerprint: string, task: string) =>
  `${prefix}:delivery:${keyFingerprint}:${task}`;

/** Held by the process that registers the key's webhook. */
export const webhookLockKey = (prefix: string, keyFingerprint: string, origin: string) =>
  `${prefix}:webhook:{${keyFingerprint}@${origin}}`;

export const budgetKey = (prefix: string, keyFingerprint: string, origin: string) =>
  `${prefix}:budget:{${keyFingerprint}@${origin}}`;
