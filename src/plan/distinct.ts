import type { Hash64 } from './hash.js';

/** How many different texts were added, by their hashes. */
export interface Distinct {
  add(hash: Readonly<Hash64>): void;
  count(): DistinctCount;
}

export interface DistinctCount {
  distinct: number;
  /** How far off it may be, up or down (two standard errors); 0 while every hash has been kept. */
  error: number;
}

const FIRST_SLOTS = 1 << 12;
/** 128 MiB: 12.5 million hashes are kept, and a manifest of so many lines is counted exactly. */
const MOST_SLOTS = 1 << 24;
const FULL = 0.75;

/**
 * Counts in a table of bounded size. When it is full, every second hash is dropped, those with an odd last bit, and
 * from then on only the others are taken in: what is kept is a fair sample of all (distinct sampling, Gibbons 2001).
 * Two texts of the same 64 bits count as one: with 12 million texts that happens once in 250,000 manifests.
 */
export function createDistinct(mostSlots = MOST_SLOTS): Distinct {
  let slots = Math.min(FIRST_SLOTS, mostSlots);
  let his = new Uint32Array(slots);
  let los = new Uint32Array(slots);
  let kept = 0;
  /** Hashes whose last so many bits are 0 are kept. */
  let level = 0;
  const chosen = (lo: number) => level === 0 || (lo & ((1 << level) - 1)) === 0;

  function put(hi: number, lo: number): void {
    const mask = slots - 1;
    // The last bits choose which hashes are kept, so these choose the slot.
    let at = (hi ^ (lo >>> 7)) & mask;
    while (his[at] !== 0 || los[at] !== 0) {
      if (his[at] === hi && los[at] === lo) return;
      at = (at + 1) & mask;
    }
    his[at] = hi;
    los[at] = lo;
    kept += 1;
  }

  function makeRoom(): void {
    const [oldHis, oldLos] = [his, los];
    if (slots < mostSlots) slots *= 2;
    else level += 1;
    [his, los, kept] = [new Uint32Array(slots), new Uint32Array(slots), 0];
    for (let at = 0; at < oldHis.length; at += 1) {
      const [hi, lo] = [oldHis[at] ?? 0, oldLos[at] ?? 0];
      if ((hi !== 0 || lo !== 0) && chosen(lo)) put(hi, lo);
    }
  }

  return {
    add({ hi, lo }) {
      if (!chosen(lo)) return;
      // An empty slot is two zeros.
      put(hi === 0 && lo === 0 ? 1 : hi, lo);
      while (kept > FULL * slots) makeRoom();
    },
    count: () => ({
      distinct: kept * 2 ** level,
      error: level === 0 ? 0 : Math.ceil(2 * 2 ** level * Math.sqrt(kept * (1 - 2 ** -level))),
    }),
  };
}
