/** A stream of numbers in [0, 1) that follows from the text alone: mulberry32 over an FNV-1a hash. */
export function randomFrom(text: string): () => number {
  let state = 2_166_136_261;
  for (let i = 0; i < text.length; i += 1) state = Math.imul(state ^ text.charCodeAt(i), 16_777_619);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export const between = ({ minMs, maxMs }: { minMs: number; maxMs: number }, random: () => number): number =>
  minMs + (maxMs - minMs) * random();

/** A share of 0 draws no number. So one fault's share does not change the draws of the others. */
export const happens = (share: number, random: () => number): boolean => share > 0 && random() < share;
