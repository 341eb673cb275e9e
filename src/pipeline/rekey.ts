import { createBudget } from '../budget/index.js';
import type { ASGGatewayClient } from '../gateway/client.js';
import { ASGAuthError, ASGGatewayHTTPError } from '../gateway/errors.js';
import { IngestError, usageError } from '../lib/errors.js';
import { withSlot } from '../plan/account.js';
import { decodeChunk, type PolledLine } from '../queues/chunk.js';
import { openQueues } from '../queues/queues.js';
import { readRows } from '../results/read-rows.js';
import { openSink, parsePartName } from '../results/sink.js';
import { keyFingerprint } from '../runs/identity.js';
import { budgetKey, runKeys } from '../runs/keys.js';
import { readRun } from '../runs/read-status.js';
import type { RunRecord } from '../runs/record.js';
import type { Pipeline } from './pipeline.js';

export interface Rekeyed {
  run_id: string;
  /** Fingerprints. */
  from: string;
  to: string;
  customer_id: string;
  /** The proof that the account is the same. */
  proof: 'customer' | 'task' | 'nothing_bought';
  /** What the old key's budget has learned moves to the new key, unless the new key has learned something itself. */
  budget: 'moved' | 'kept' | 'none';
  /** Processes that had the run in hand just now. */
  consumers: number;
}

/** The run's key, where it still works, and a client that calls with it. */
export interface OldKey {
  apiKey: string;
  client: Pick<ASGGatewayClient, 'getCustomer'>;
}

/** Field of the record: the customer who pays for the run's tasks. Only a rekey sets it. */
const CUSTOMER = 'customer';

/**
 * Moves a run to the pipeline's key. First it checks that both keys belong to the same account. Otherwise the new key
 * would buy tasks again that the old key has bought.
 *
 * @throws IngestError `state` when the account is another, or unknown; nothing has changed then
 */
export async function rekeyRun(
  pipeline: Pipeline,
  record: RunRecord,
  old: OldKey | null,
  signal: AbortSignal,
): Promise<Rekeyed> {
  const { redis, prefix, keyFingerprint: to, origin } = pipeline;
  const from = record.keyFingerprint;
  if (record.gateway !== origin)
    throw usageError('--gateway-url', `run ${record.id} is of another Gateway, ${record.gateway}`);
  if (old !== null && keyFingerprint(old.apiKey) !== from)
    throw usageError('ASG_OLD_API_KEY', `is not the key that run ${record.id} was begun with`);
  const keys = runKeys(prefix, record.id);
  const { customer_id: customer } = await withSlot(pipeline.budget, signal, (options) =>
    pipeline.client.getCustomer(options),
  );
  const proof = from === to ? 'customer' : await proveSameAccount(pipeline, record, customer, old, signal);
  const budget = from === to ? 'kept' : await moveBudget(pipeline, from);
  await redis.hset(keys.record, 'key_fingerprint', to, CUSTOMER, customer);
  const reading = await readRun(redis, prefix, record.id);
  const consumers = reading?.present.consumers ?? 0;
  return { run_id: record.id, from, to, customer_id: customer, proof, budget, consumers };
}

async function proveSameAccount(
  pipeline: Pipeline,
  record: RunRecord,
  customer: string,
  old: OldKey | null,
  signal: AbortSignal,
): Promise<Rekeyed['proof']> {
  const keys = runKeys(pipeline.prefix, record.id);
  const known =
    (await pipeline.redis.hget(keys.record, CUSTOMER)) ??
    (old === null ? null : await customerOf(pipeline, record, old, signal));
  if (known !== null) {
    if (known === customer) return 'customer';
    throw otherAccount(record, `its key belongs to customer ${known}, the new one to ${customer}`);
  }
  const task = await findBoughtTask(pipeline, record);
  if (task !== null) {
    const seen = await withSlot(pipeline.budget, signal, (options) =>
      pipeline.client.getTask(task, options),
    ).catch((error: unknown) => {
      if (error instanceof ASGGatewayHTTPError && error.statusCode === 404) return null;
      throw error;
    });
    if (seen !== null) return 'task';
    throw otherAccount(record, `the new key does not see its task ${task}`);
  }
  const bought = (await readRun(pipeline.redis, pipeline.prefix, record.id))?.bought ?? 0;
  if (bought === 0) return 'nothing_bought';
  throw new IngestError(
    'state',
    `run ${record.id} has bought tasks, and none of them is known that would tell whether the account is the same; nothing was changed`,
    { hint: 'give the old key as well, in ASG_OLD_API_KEY' },
  );
}

const otherAccount = (record: RunRecord, why: string) =>
  new IngestError('state', `run ${record.id} is of another account: ${why}; nothing was changed`, {
    hint: 'set ASG_API_KEY to a key of the account that began it',
  });

/** Null when the old key is refused: then a task must prove the account. */
async function customerOf(
  { redis, prefix }: Pipeline,
  record: RunRecord,
  { client }: OldKey,
  signal: AbortSignal,
): Promise<string | null> {
  const budget = createBudget({ redis, key: budgetKey(prefix, record.keyFingerprint, record.gateway) });
  try {
    await budget.start();
    return (await withSlot(budget, signal, (options) => client.getCustomer(options))).customer_id;
  } catch (error) {
    if (error instanceof ASGAuthError) return null;
    throw error;
  } finally {
    await budget.close();
  }
}

/** A task that the run has bought. Searched in the results stream, then in the poll queue, then in the parts. */
async function findBoughtTask(pipeline: Pipeline, record: RunRecord): Promise<string | null> {
  const { redis, prefix } = pipeline;
  const keys = runKeys(prefix, record.id);
  for (const [, fields] of await redis.xrange(keys.results, '-', '+', 'COUNT', 100))
    for (const text of fields) {
      const task = /"task_id":"([^"]+)"/.exec(text)?.[1];
      if (task !== undefined) return task;
    }
  const queues = openQueues(keys, pipeline.connection, () => undefined);
  try {
    const [job] = await queues.poll.getJobs(['active', 'delayed', 'waiting', 'prioritized'], 0, 0);
    const [line] = job === undefined ? [] : decodeChunk<PolledLine>(job.data).lines;
    if (line !== undefined) return line.task;
  } finally {
    await queues.close();
  }
  const sink = pipeline.openSink?.(record.out) ?? openSink(record.out, pipeline.objectStores);
  const names = await sink.listParts(record.id).catch(() => []);
  for (const name of names.filter((each) => parsePartName(each)?.kind === 'results').reverse())
    for await (const text of readRows(sink, name)) return (JSON.parse(text) as { task_id: string }).task_id;
  return null;
}

/** Copies the learned limit to the new key, unless the new key has learned one itself. */
async function moveBudget(pipeline: Pipeline, from: string): Promise<Rekeyed['budget']> {
  const { redis, prefix, origin, keyFingerprint: to, budget } = pipeline;
  const [old, next] = [budgetKey(prefix, from, origin), budgetKey(prefix, to, origin)];
  const memory = await redis.getBuffer(old);
  if (memory === null) return 'none';
  if ((await budget.snapshot()).source !== 'none') return 'kept';
  const ttl = await redis.pttl(old);
  await redis.set(next, memory, 'PX', Math.max(1, ttl));
  return 'moved';
}
