import { type CountOrShare, isOver } from '../config/units.js';
import type { RedisClient } from '../redis/connection.js';
import type { RunKeys } from './keys.js';

/** The source that gold lines have in rows. */
export const GOLD_SOURCE = 'gold';

/** The lines of a `--gold` file: what is asked, and the label that is known to be right. */
export interface Gold {
  /** Digest of the lines' text: part of the run's identity. */
  digest: string;
  /** Number in the file, from 1, and text. Blank lines are left out. */
  lines: GoldLine[];
}

export type GoldLine = readonly [line: number, text: string];

/** For a run with gold lines: their place behind the manifest's sources, and their number. */
export interface GoldRecord {
  source: number;
  lines: number;
}

/** The counts of the gold lines. Field names are public. */
export interface GoldStatus {
  /** Lines of the gold file; of a cancelled run, those that ended. */
  lines: number;
  /** Settled with the label that was known, and with another one. */
  agreed: number;
  disagreed: number;
  failed: number;
  /** Agreed among those that settled; null before the first. */
  share: number | null;
}

export type GoldOutcome = 'agreed' | 'disagreed' | 'failed';

/** The label that is known of a gold line. */
export const knownLabel = (text: string): string => (JSON.parse(text) as { gold: string }).gold;

export const goldOutcome = (known: string, label: string | null | undefined): GoldOutcome =>
  label === known ? 'agreed' : 'disagreed';

/** Fields of a run's counts. */
export const goldField = (outcome: GoldOutcome): string => `gold_${outcome}`;

export function goldStatus(
  { lines }: GoldRecord,
  counts: Readonly<Record<string, string>>,
  cancelled: boolean,
): GoldStatus {
  const count = (outcome: GoldOutcome) => Number(counts[goldField(outcome)] ?? 0);
  const [agreed, disagreed, failed] = [count('agreed'), count('disagreed'), count('failed')];
  const answers = agreed + disagreed;
  return {
    lines: cancelled ? answers + failed : lines,
    agreed,
    disagreed,
    failed,
    share: answers === 0 ? null : Number((agreed / answers).toFixed(4)),
  };
}

/** With fewer answers, a share says nothing. */
const FEWEST_ANSWERS = 20;

/** Whether more gold lines have another label than `--max-gold-errors` allows. A failed line has no label. */
export function tooManyGoldErrors(gold: GoldStatus | null, most: CountOrShare | null | undefined): boolean {
  return gold !== null && isOver(most, gold.disagreed, gold.agreed + gold.disagreed, FEWEST_ANSWERS);
}

export const goldErrorsMessage = (id: string, { agreed, disagreed }: GoldStatus): string =>
  `${disagreed} of ${agreed + disagreed} gold lines have another label than is known, more than --max-gold-errors allows; see the rows of the source "${GOLD_SOURCE}", then \`asg-ingest tune ${id} --max-gold-errors <more>\`, or run again with more`;

/** Gold lines are stored with the run: every process that reads its lines again needs them. */
export const keepGold = (redis: RedisClient, keys: RunKeys, lines: readonly GoldLine[]) =>
  redis.set(keys.gold, JSON.stringify(lines));

export async function keptGold(redis: RedisClient, keys: RunKeys): Promise<GoldLine[] | null> {
  const kept = await redis.get(keys.gold);
  return kept === null ? null : (JSON.parse(kept) as GoldLine[]);
}
