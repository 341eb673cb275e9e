import { randomFrom } from '../../../src/sandbox/random.js';

/** Choices that follow from a seed: the same seed makes the same round. */
export interface Random {
  /** In [0, 1). */
  next(): number;
  chance(share: number): boolean;
  /** A whole number from `least` to `most`, both included. */
  int(least: number, most: number): number;
  pick<T>(items: readonly T[]): T;
  weighted<T>(items: readonly T[], weightOf: (item: T) => number): T;
}

export function seeded(seed: string): Random {
  const next = randomFrom(seed);
  const pick = <T>(items: readonly T[], at: number): T => {
    const item = items[at];
    if (item === undefined) throw new Error('nothing to pick from');
    return item;
  };
  return {
    next,
    chance: (share) => next() < share,
    int: (least, most) => least + Math.floor(next() * (most - least + 1)),
    pick: (items) => pick(items, Math.floor(next() * items.length)),
    weighted(items, weightOf) {
      let left = next() * items.reduce((sum, item) => sum + weightOf(item), 0);
      const at = items.findIndex((item) => {
        left -= weightOf(item);
        return left < 0;
      });
      return pick(items, at === -1 ? items.length - 1 : at);
    },
  };
}
