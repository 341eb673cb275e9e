import type { Hash64 } from './hash.js';

/** How many different texts were added, by their hashes. */
export interface Distinct {
  add(hash: Readonly<Hash64>): void;
  count(): DistinctCount;
}

export interface DistinctCount {
  distinct: number;
  /** The error bound of the count (two standard errors); 0 while every hash is kept. */
  error: number;
}

const FIRST_SLOTS = 1 << 12;
/** 128 MiB: 12.5 million hashes are kept, and a manifest of as many lines is counted exactly. */
const MOST_SLOTS = 1 << 24;
const FULL = 0.75;
/** Each time the table grows, all hashes are inserted again. */
const GROWTH = 8;

/**
 * Counts in a table of bounded size. When it is full, every hash with an odd last bit is dropped, and from then on
 * only the others are taken in. So the table is a fair sample of all (distinct sampling, Gibbons 2001). Two texts of
 * the same 64 bits count as one: with 12 million texts that happens once in 250,000 manifests.
 */
export function createDistinct(mostSlots = MOST_SLOTS): Distinct {
  let slots = Math.min(FIRST_SLOTS, mostSlots);
  /** Two words a slot, side by side: one memory access reaches both. */
  let words = new Uint32Array(2 * slots);
  let kept = 0;
  /** Hashes whose last n bits are 0 are kept. */
  let level = 0;
  const chosen = (lo: number) => level === 0 || (lo & ((1 << level) - 1)) === 0;

  function put(hi: number, lo: number): void {
    const mask = slots - 1;
    // The last bits choose which hashes are kept, so these choose the slot.
    let at = (hi ^ (lo >>> 7)) & mask;
    for (;;) {
      const first = words[2 * at];
      const second = words[2 * at + 1];
      if (first === 0 && second === 0) break;
      if (first === hi && second === lo) return;
      at = (at + 1) & mask;
    }
    words[2 * at] = hi;
    words[2 * at + 1] = lo;
    kept += 1;
  }

  function makeRoom(): void {
    const old = words;
    if (slots < mostSlots) slots = Math.min(mostSlots, GROWTH * slots);
    else level += 1;
    [words, kept] = [new Uint32Array(2 * slots), 0];
    for (let at = 0; at < old.length; at += 2) {
      const hi = old[at] ?? 0;
      const lo = old[at + 1] ?? 0;
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
