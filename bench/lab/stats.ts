export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = Math.floor(sorted.length / 2);
  const [high = Number.NaN, low = high] = [sorted[at], sorted[at - 1]];
  return sorted.length % 2 === 1 ? high : (low + high) / 2;
}

/** To three digits that matter. */
export const rounded = (n: number): number => (Number.isFinite(n) ? Number(n.toPrecision(3)) : n);

/** The medians of each field over the rounds. */
export function medians<T extends Record<keyof T, number>>(rounds: readonly T[]): T {
  const [first] = rounds;
  if (!first) throw new Error('no round was measured');
  const fields = Object.keys(first) as (keyof T)[];
  return Object.fromEntries(fields.map((field) => [field, median(rounds.map((round) => round[field]))])) as T;
}

/** The least of each field: other work on the machine can only add to a time. */
export function least<T extends Record<keyof T, number>>(rounds: readonly T[]): T {
  const fields = Object.keys(medians(rounds)) as (keyof T)[];
  return Object.fromEntries(
    fields.map((field) => [field, Math.min(...rounds.map((round) => round[field]))]),
  ) as T;
}

/** Measures each contender once a round, in an order that turns, so that a noisy minute is nobody's own. */
export async function inTurn<K extends string, T>(
  rounds: number,
  contenders: Record<K, () => Promise<T>>,
  told: (round: number, name: K, measured: T) => void = () => undefined,
): Promise<Record<K, T[]>> {
  const names = Object.keys(contenders) as K[];
  const measured = Object.fromEntries(names.map((name) => [name, [] as T[]])) as Record<K, T[]>;
  for (let round = 0; round < rounds; round += 1) {
    for (let n = 0; n < names.length; n += 1) {
      const name = names[(round + n) % names.length] as K;
      const one = await contenders[name]();
      measured[name].push(one);
      told(round + 1, name, one);
    }
  }
  return measured;
}
