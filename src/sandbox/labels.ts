/** A task's outcome: the same for the same seed, task and options, whenever it is asked for. */
export interface Outcome {
  consensus_label: string;
  confidence: number;
  worker_count: number;
  agreement_count: number;
  cost_sats: number;
  bsv_txid: string;
}

const SATS_PER_WORKER = 325;

export function outcomeOf(
  seed: number,
  dataUrl: string,
  question: string,
  options: string[],
  threshold: number,
): Outcome {
  const random = randomFrom(`${seed} ${dataUrl} ${question}`);
  // Skewed towards the first options, as real label distributions are.
  const label = options[Math.min(options.length - 1, Math.floor(random() ** 1.4 * options.length))] ?? '';
  const workers = threshold;
  const agreeing = Math.max(Math.floor(threshold / 2) + 1, Math.round(workers * (0.6 + 0.4 * random())));
  const agreed = Math.min(workers, agreeing);
  return {
    consensus_label: label,
    confidence: Number((0.5 + 0.5 * (agreed / workers) * (0.8 + 0.2 * random())).toFixed(3)),
    worker_count: workers,
    agreement_count: agreed,
    cost_sats: SATS_PER_WORKER * agreed,
    bsv_txid: Array.from({ length: 8 }, () =>
      Math.floor(random() * 2 ** 32)
        .toString(16)
        .padStart(8, '0'),
    ).join(''),
  };
}

/** Settling time and faults are chance, too, but need not repeat. */
export const between = ({ minMs, maxMs }: { minMs: number; maxMs: number }, random: () => number): number =>
  minMs + (maxMs - minMs) * random();

/** mulberry32 over an FNV-1a hash of the text. */
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
