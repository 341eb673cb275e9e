import { createHash, randomUUID } from 'node:crypto';
import type { RedisClient } from '../redis/connection.js';
import { costOf } from './cost.js';
import type { GoldOutcome } from './gold.js';
import type { RunKeys } from './keys.js';
import { runScript } from './run-script.js';
import { placeOfKey } from './shared-keys.js';
import { EXAMPLES, type FailureExample } from './timeline.js';

/**
 * A run's scripts, one `.lua` file each, for changes in one step. Their heads name keys, arguments and answers. The
 * client sends a script again when the connection broke before its answer came. So each is safe to repeat: a bit, a
 * comparison or a message's number shows what has been done already.
 */

const scripts = {
  admit: runScript('admit'),
  withdrawAdmission: runScript('withdraw-admission'),
  giveBack: runScript('give-back'),
  reserveAgain: runScript('reserve-again'),
  unreserveAgain: runScript('unreserve-again'),
  reserveEscalation: runScript('reserve-escalation'),
  unreserveEscalation: runScript('unreserve-escalation'),
  endLines: runScript('end-lines'),
  judgeRefusal: runScript('judge-refusal'),
};

/** Whether a line of a chunk may be submitted. */
export type Verdict = 'fresh' | 'again' | 'ended' | 'full' | Envelope | 'held' | 'cancelled';

/** The user's own limit that allows no more: `--budget`, `--spend`, `--spend-per-day`. */
export type Envelope = 'budget' | 'spend' | 'day';

export const isEnvelope = (verdict: Verdict | 'gone'): verdict is Envelope =>
  verdict === 'budget' || verdict === 'spend' || verdict === 'day';

const VERDICTS: Record<string, Verdict> = {
  f: 'fresh',
  a: 'again',
  e: 'ended',
  w: 'full',
  b: 'budget',
  s: 'spend',
  d: 'day',
  h: 'held',
  c: 'cancelled',
};

const bitOf = (line: number) => line - 1;

/**
 * Admits lines of a source. Resolves to one verdict for each line; null when the run is gone.
 *
 * @param labelers the most that one of the lines asks for (its consensus threshold); 0 when none says
 */
export async function admit(
  redis: RedisClient,
  keys: RunKeys,
  source: number,
  lines: readonly number[],
  labelers = 0,
): Promise<Verdict[] | null> {
  const [state, letters] = (await scripts.admit.run(
    redis,
    [
      keys.record,
      keys.ended(source),
      keys.admitted(source),
      keys.contested(source),
      keys.counts,
      keys.givenBack(source),
      keys.shared(source),
      keys.failures,
    ],
    [labelers, ...lines.map(bitOf)],
  )) as [string, string];
  return state === 'gone' ? null : [...letters].map((letter) => VERDICTS[letter] ?? 'held');
}

/** Takes back the admissions of lines that the Gateway has certainly not accepted. */
export async function withdrawAdmission(
  redis: RedisClient,
  keys: RunKeys,
  source: number,
  lines: readonly number[],
) {
  if (lines.length === 0) return;
  const names = [keys.admitted(source), keys.contested(source), keys.counts];
  await scripts.withdrawAdmission.run(redis, names, lines.map(bitOf));
}

/**
 * Gives back what `--budget` had reserved for lines whose task had been bought before.
 *
 * @param shared whether the tasks' costs are counted where they were bought; then `--spend` reserves nothing for them
 */
export async function returnReservations(
  redis: RedisClient,
  keys: RunKeys,
  source: number,
  lines: readonly number[],
  shared = false,
) {
  if (lines.length === 0) return;
  const names = [keys.givenBack(source), keys.contested(source), keys.counts, keys.shared(source)];
  await scripts.giveBack.run(redis, names, [shared ? 1 : 0, ...lines.map(bitOf)]);
}

/** Reserves a second task for a line whose first is forgotten; resolves to the limit that allows none, or null. */
export async function reserveAgain(
  redis: RedisClient,
  keys: RunKeys,
  source: number,
  line: number,
): Promise<Envelope | null> {
  const { record, counts, failures } = keys;
  const names = [record, keys.boughtAgain(source), counts, failures, keys.contested(source)];
  const verdict = VERDICTS[String(await scripts.reserveAgain.run(redis, names, [bitOf(line)]))] ?? 'held';
  return isEnvelope(verdict) ? verdict : null;
}

export async function unreserveAgain(redis: RedisClient, keys: RunKeys, source: number, line: number) {
  const names = [keys.boughtAgain(source), keys.counts, keys.contested(source)];
  await scripts.unreserveAgain.run(redis, names, [bitOf(line)]);
}

/** Reserves the second task of a line that is asked again, with this many labelers. */
export async function reserveEscalation(
  redis: RedisClient,
  keys: RunKeys,
  source: number,
  line: number,
  labelers: number,
): Promise<'fresh' | 'again' | 'held' | 'cancelled' | Envelope> {
  const names = [keys.record, keys.escalated(source), keys.contested(source), keys.counts, keys.failures];
  const verdict =
    VERDICTS[String(await scripts.reserveEscalation.run(redis, names, [bitOf(line), labelers]))];
  return verdict === undefined || verdict === 'ended' || verdict === 'full' ? 'held' : verdict;
}

export async function unreserveEscalation(redis: RedisClient, keys: RunKeys, source: number, line: number) {
  const names = [keys.escalated(source), keys.contested(source), keys.counts];
  await scripts.unreserveEscalation.run(redis, names, [bitOf(line), 0]);
}

/**
 * Keeps the reservation for a second task after the line has ended: the task had no answer, and may have to be paid.
 */
export async function holdEscalation(redis: RedisClient, keys: RunKeys, source: number, line: number) {
  const names = [keys.escalated(source), keys.contested(source), keys.counts];
  await scripts.unreserveEscalation.run(redis, names, [bitOf(line), 1]);
}

/** How a line ends. `row` is what the parts will hold, `history` the counters of the run's history that grow. */
export type Ending = {
  row: string;
  history: readonly string[];
  /** For a gold line. */
  gold?: GoldOutcome;
  /** Its other shares in the run's counts. */
  also?: Record<string, number>;
} & (
  | {
      kind: 'settled';
      label: string;
      /** Null: the result has no cost. */
      costSats: number | null;
      /** The task, where several lines may have it: the first that ends counts its cost. */
      sharedTask?: { key: string; id: string };
      /** The payment of each labeler that agreed, and how many labelers the task had. */
      labelers?: { sats: number; count: number };
      settledBy: 'poll' | 'webhook';
      /** From submission to now, ms. */
      ageMs: number;
    }
  | {
      kind: 'failed';
      stage: 'manifest' | 'submit' | 'poll';
      code: string;
      example: FailureExample;
      /** Certainly no task was accepted for the line: what `--budget` reserved for it is free again. */
      unbought?: boolean;
    }
);

export interface EndedLine {
  line: number;
  ending: Ending;
}

/** The value of a key once the task's cost is counted. */
const costMark = (task: string) => createHash('sha256').update(task).digest('base64url').slice(0, 6);

/** Ends lines of a source, each once; for each line false when it had ended before. */
export async function endLines(
  redis: RedisClient,
  keys: RunKeys,
  source: number,
  lines: readonly EndedLine[],
): Promise<boolean[]> {
  const placed = lines.map(({ ending }) =>
    ending.kind === 'settled' && ending.sharedTask
      ? { ...placeOfKey(keys, ending.sharedTask.key), mark: costMark(ending.sharedTask.id) }
      : null,
  );
  const args = lines.flatMap(({ line, ending }, index) => [
    bitOf(line),
    ending.kind === 'failed' && ending.unbought === true ? 'unbought' : ending.kind,
    ending.kind === 'settled' ? ending.label : ending.code,
    ending.kind === 'settled' ? (ending.costSats === null ? '' : costOf(ending.costSats)) : 0,
    ending.row,
    ending.history.join(' '),
    ending.kind === 'failed' ? JSON.stringify(ending.example) : '',
    placed[index] ? `${placed[index].field} ${placed[index].mark}` : '',
  ]);
  const labelerPayments = lines.flatMap(({ ending }) => (ending.kind === 'settled' && ending.labelers) || []);
  const digits = (await scripts.endLines.run(
    redis,
    [
      keys.ended(source),
      keys.admitted(source),
      keys.contested(source),
      keys.counts,
      keys.results,
      keys.failures,
      keys.labels,
      keys.history,
      keys.examples,
      keys.shared(source),
      keys.escalated(source),
      ...placed.flatMap((place) => place?.bucket ?? []),
    ],
    [
      EXAMPLES,
      Math.max(0, ...labelerPayments.map(({ sats }) => costOf(sats))),
      Math.max(0, ...labelerPayments.map(({ count }) => count)),
      lines.some(({ ending }) => ending.also !== undefined)
        ? JSON.stringify(lines.map(({ ending }) => ending.also ?? {}))
        : '',
      ...args,
    ],
  )) as string;
  return [...digits].map((digit) => digit === '1');
}

/**
 * Decides about a refusal that comes before the Gateway has accepted any line: an error of the line, of the endpoint,
 * or unclear yet (try again in a round).
 */
export async function judgeRefusal(
  redis: RedisClient,
  keys: RunKeys,
  at: { source: number; line: number },
  refusedIn: string | undefined,
  mostRefusals: number,
): Promise<'line' | 'endpoint' | { round: string }> {
  const answer = String(
    await scripts.judgeRefusal.run(
      redis,
      [keys.counts, keys.refused],
      [`${at.source}:${at.line}`, refusedIn ?? '', mostRefusals, randomUUID()],
    ),
  );
  return answer === 'line' || answer === 'endpoint' ? answer : { round: answer };
}
