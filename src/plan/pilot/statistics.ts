import { epochMs } from '../../gateway/epoch-ms.js';
import type { Range } from '../../lib/range.js';
import type { ResultRow } from '../../results/rows.js';
import type { Price } from '../price.js';

/** The results of a pilot. Shares from 0 to 1, times in seconds; null where the Gateway has no figure. */
export interface PilotFigures {
  /** Share of the workers that agreed with the label, mean. */
  agreement: number | null;
  /** Share of the lines on which all workers agreed. */
  unanimous: number | null;
  confidence: Spread | null;
  /** Mean cost of a first task in satoshis, with its error bound. */
  cost_per_label_sats: Range | null;
  settle_seconds: Spread | null;
}

export interface Spread {
  mean: number;
  p10: number;
  median: number;
  p90: number;
  greatest: number;
}

export interface PilotStatistics {
  figures: PilotFigures;
  price: Price | null;
}

/** Collects the rows of a pilot's results. Holds all their figures, for some thousand lines. */
export function createPilotStatistics() {
  const [agreements, confidences, settles]: [number[], number[], number[]] = [[], [], []];
  const costs = new Map<string | null, { n: number; sum: number; squares: number }>();

  return {
    add(row: ResultRow): void {
      const { worker_count: workers, agreement_count: agreeing, confidence } = row;
      // When a line had two tasks, the first counts. Second tasks are forecast separately.
      const { cost_sats: sats } = row.escalated_from ?? row;
      if (workers !== null && workers > 0 && agreeing !== null) agreements.push(agreeing / workers);
      if (confidence !== null) confidences.push(confidence);
      const took = (epochMs(row.settled_at) - epochMs(row.created_at)) / 1000;
      if (took >= 0) settles.push(took);
      if (sats === null) return;
      const of = costs.get(row.source) ?? { n: 0, sum: 0, squares: 0 };
      costs.set(row.source, { n: of.n + 1, sum: of.sum + sats, squares: of.squares + sats ** 2 });
    },
    /** @param weights how many lines of the manifest each source has, by its name; the name is null where there is one */
    summarize(weights: ReadonlyMap<string | null, number>): PilotStatistics {
      const price = priceOf(costs, weights);
      const error = price === null ? 0 : (2 * price.value * (price.differ ?? 0)) / Math.sqrt(price.labels);
      return {
        figures: {
          agreement: mean(agreements),
          unanimous: mean(agreements.map((share) => Number(share >= 1))),
          confidence: spreadOf(confidences),
          cost_per_label_sats:
            price === null
              ? null
              : { expected: price.value, low: Math.max(0, price.value - error), high: price.value + error },
          settle_seconds: spreadOf(settles),
        },
        price,
      };
    },
  };
}

/**
 * The mean price over all lines: the mean of each source, weighted by its lines (Cochran, Sampling Techniques, 5.3).
 */
function priceOf(
  costs: ReadonlyMap<string | null, { n: number; sum: number; squares: number }>,
  weights: ReadonlyMap<string | null, number>,
): Price | null {
  const strata = [...costs].map(([source, cost]) => ({ ...cost, weight: weights.get(source) ?? cost.n }));
  const weight = strata.reduce((sum, stratum) => sum + stratum.weight, 0);
  const labels = strata.reduce((sum, { n }) => sum + n, 0);
  const paid = strata.reduce((sum, stratum) => sum + stratum.sum, 0);
  if (weight === 0 || paid === 0) return null;
  const value = strata.reduce((sum, stratum) => sum + stratum.weight * (stratum.sum / stratum.n), 0) / weight;
  const squares = strata.reduce((sum, stratum) => sum + stratum.squares, 0) / labels;
  const differ = Math.sqrt(Math.max(0, squares - (paid / labels) ** 2)) / value;
  return { value, source: 'history', labels, spread: 0, differ };
}

const mean = (values: readonly number[]): number | null =>
  values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;

function spreadOf(values: readonly number[]): Spread | null {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  const average = mean(sorted);
  if (average === null) return null;
  return { mean: average, p10: at(0.1), median: at(0.5), p90: at(0.9), greatest: sorted.at(-1) ?? 0 };
}
