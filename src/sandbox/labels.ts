import { randomFrom } from './random.js';

export interface Question {
  dataUrl: string;
  spec: { question: string; options: string[]; threshold: number };
}

/** The labelers' common answer. */
export interface Consensus {
  label: string;
  confidence: number;
  workers: number;
  agreeing: number;
  costSats: number;
}

/** Paid to each worker who agrees with the consensus. */
const SATS_PER_WORKER = 325;

const randomOf = (seed: number | string, { dataUrl, spec }: Question) =>
  randomFrom(`${seed} ${dataUrl} ${spec.question}`);

/** The same for the same seed and task, whenever it is asked for. */
export function consensusOf(seed: number | string, task: Question): Consensus {
  const { options, threshold } = task.spec;
  const random = randomOf(seed, task);
  // Skewed towards the first options, as real label distributions are.
  const label = options[Math.floor(random() ** 1.4 * options.length)] ?? '';
  const majority = Math.floor(threshold / 2) + 1;
  const agreeing = Math.min(threshold, Math.max(majority, Math.round(threshold * (0.6 + 0.4 * random()))));
  const confidence =
    Math.round(1_000 * (0.5 + 0.5 * (agreeing / threshold) * (0.8 + 0.2 * random()))) / 1_000;
  return { label, confidence, workers: threshold, agreeing, costSats: SATS_PER_WORKER * agreeing };
}

/** The payment's transaction: 64 hex digits. */
export function txidOf(seed: number | string, task: Question): string {
  const random = randomFrom(`${seed} txid ${task.dataUrl} ${task.spec.question}`);
  let txid = '';
  while (txid.length < 64)
    txid += Math.floor(random() * 2 ** 32 + 2 ** 32)
      .toString(16)
      .slice(1);
  return txid;
}
