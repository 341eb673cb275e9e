/** Words of a digest that are kept: 96 bits, so that two contents are never taken for one. */
export const DIGEST_WORDS = 3;
export const DIGEST_BYTES = 4 * DIGEST_WORDS;
const SLOT_WORDS = DIGEST_WORDS + 1;

/** Digests, each with a number from 1 on. When a digest is added twice, its first number stays. */
export interface DigestTable {
  /** False when the digest is there already, or there is no room for it. */
  add(digest: Buffer, value: number): boolean;
  /** 0: not there. */
  get(digest: Buffer): number;
  size(): number;
  isFull(): boolean;
}

const FIRST_SLOTS = 1 << 12;
/** 1 GiB: 50 million digests. */
const MOST_SLOTS = 1 << 26;
const FULL = 0.75;

/** A table of 16 B slots, of which half to three quarters are taken: 21 to 43 B for each digest. */
export function createDigestTable(mostSlots = MOST_SLOTS): DigestTable {
  let slots = Math.min(FIRST_SLOTS, mostSlots);
  let words = new Uint32Array(SLOT_WORDS * slots);
  let taken = 0;

  /** The slot of the digest, or its place. */
  function find(a: number, b: number, c: number): number {
    for (let at = a & (slots - 1); ; at = (at + 1) & (slots - 1)) {
      const word = SLOT_WORDS * at;
      if (words[word + 3] === 0) return word;
      if (words[word] === a && words[word + 1] === b && words[word + 2] === c) return word;
    }
  }

  function put(a: number, b: number, c: number, value: number): boolean {
    const word = find(a, b, c);
    if (words[word + 3] !== 0) return false;
    words.set([a, b, c, value], word);
    taken += 1;
    return true;
  }

  function grow(): void {
    const old = words;
    slots *= 2;
    [words, taken] = [new Uint32Array(SLOT_WORDS * slots), 0];
    for (let word = 0; word < old.length; word += SLOT_WORDS) {
      const value = old[word + 3] ?? 0;
      if (value !== 0) put(old[word] ?? 0, old[word + 1] ?? 0, old[word + 2] ?? 0, value);
    }
  }

  const isFull = () => taken >= FULL * slots && slots >= mostSlots;
  return {
    add(digest, value) {
      if (isFull()) return false;
      if (taken >= FULL * slots) grow();
      return put(digest.readUInt32BE(0), digest.readUInt32BE(4), digest.readUInt32BE(8), value);
    },
    get: (digest) =>
      words[find(digest.readUInt32BE(0), digest.readUInt32BE(4), digest.readUInt32BE(8)) + 3] ?? 0,
    size: () => taken,
    isFull,
  };
}
