import { setTimeout as sleep } from 'node:timers/promises';
import { usageError } from '../../lib/errors.js';
import { readForecast } from '../../plan/forecast/known.js';
import type { RunForecast } from '../../runs/forecast.js';
import { runKeys } from '../../runs/keys.js';
import { type RunReading, readRun } from '../../runs/read-status.js';
import type { Pipeline } from '../pipeline.js';
import { isSlack, requestOf } from './body.js';
import { type Baseline, baselineOf, inShort, type Notice, noticesOf } from './notice.js';
import { sendNotice } from './send.js';

/** Sends notices of runs in the background: the fate of a notice never affects a run. */
export interface Notifier {
  start(): void;
  /** Checks a last time, and waits for notices being sent, `CLOSE_MS` at most. */
  close(): Promise<void>;
}

export interface NotifierOptions {
  url: string;
  /** Signs the body; Slack's addresses need none. */
  secret: string | null;
  /** The runs to report now. A run that is no longer among them is checked a last time. */
  runs: () => Promise<string[]>;
  /** Default 2,000 ms. */
  checkEveryMs?: number;
  /** Default 10,000 ms. */
  closeMs?: number;
  /** Default 1,000 ms. */
  firstWaitMs?: number;
}

const CHECK_EVERY_MS = 2_000;
const CLOSE_MS = 10_000;
/** Longer than all tries of one sender. When a sender dies, another process sends the notice after this time. */
const LEASE_MS = 300_000;
const BASELINE = 'baseline';

/** @throws IngestError `usage` without a secret where one is needed */
export function createNotifier(
  pipeline: Pick<Pipeline, 'redis' | 'prefix' | 'metrics' | 'log'>,
  { url, secret, runs, checkEveryMs = CHECK_EVERY_MS, closeMs = CLOSE_MS, firstWaitMs }: NotifierOptions,
): Notifier {
  if (secret === null && !isSlack(url))
    throw usageError('--notify', 'needs ASG_NOTIFY_SECRET, which signs what is sent', {
      hint: 'export ASG_NOTIFY_SECRET=<a long random text>; the receiver checks X-ASG-Signature with it',
    });
  const { redis, prefix, metrics, log } = pipeline;
  const stop = new AbortController();
  const cut = new AbortController();
  const sending = new Set<Promise<void>>();
  let known: string[] = [];
  let checking: Promise<void> = Promise.resolve();

  async function look(): Promise<void> {
    try {
      const now = await runs();
      for (const id of new Set([...known, ...now])) await checkRun(id);
      known = now;
    } catch (error) {
      log.warn({ err: error }, 'could not look for what to tell of');
    }
  }

  async function checkRun(id: string): Promise<void> {
    const reading = await readRun(redis, prefix, id);
    if (reading === null) return;
    const keys = runKeys(prefix, id);
    const { [BASELINE]: first, ...sent } = await redis.hgetall(keys.notices);
    const forecast = await readForecast(redis, keys, reading, null);
    const baseline =
      first === undefined ? await noteBaseline(reading, forecast) : (JSON.parse(first) as Baseline);
    const changedAt = (await redis.hget(keys.record, 'changed_at')) ?? '';
    for (const notice of noticesOf(reading, changedAt, baseline, forecast, Date.now())) {
      if (Object.hasOwn(sent, notice.notice_id)) continue;
      const lease = `${keys.notices}:${notice.notice_id}`;
      if ((await redis.set(lease, '1', 'PX', LEASE_MS, 'NX')) === null) continue;
      const done = send(notice, keys.notices).finally(() => sending.delete(done));
      sending.add(done);
    }
  }

  /** The first forecast counts, from any process. */
  async function noteBaseline(reading: RunReading, forecast: RunForecast): Promise<Baseline | null> {
    const baseline = baselineOf(reading, inShort(forecast));
    if (baseline !== null)
      await redis.hsetnx(runKeys(prefix, reading.record.id).notices, BASELINE, JSON.stringify(baseline));
    return baseline;
  }

  async function send(notice: Notice, ledger: string): Promise<void> {
    const { run_id: run, event } = notice;
    try {
      const options = { signal: cut.signal, ...(firstWaitMs === undefined ? {} : { firstWaitMs }) };
      await sendNotice(url, requestOf(notice, url, secret), options);
      metrics.notifications.inc({ outcome: 'sent' });
      await redis.hset(ledger, notice.notice_id, new Date().toISOString());
    } catch (error) {
      // This process does not try again. Its lease ends, and then another process may send.
      metrics.notifications.inc({ outcome: 'failed' });
      log.warn({ run, event, err: error }, 'a notice was not sent');
    }
  }

  return {
    start() {
      checking = (async () => {
        while (!stop.signal.aborted) {
          await look();
          await sleep(checkEveryMs, undefined, { signal: stop.signal }).catch(() => undefined);
        }
      })();
    },
    async close() {
      if (stop.signal.aborted) return;
      stop.abort();
      await checking;
      await look();
      const late = sleep(closeMs, undefined, { ref: false });
      await Promise.race([Promise.all(sending), late]);
      cut.abort(new Error('the process ends'));
      await Promise.all(sending);
    },
  };
}
