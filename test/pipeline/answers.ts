import { consensusOf } from '../../src/sandbox/labels.js';
import { line } from './harness.js';

/** What these tests ask; `SEED` is that of a local Gateway with no other. */
export const [QUESTION, OPTIONS, SEED] = ['Which?', ['cat', 'dog'], 1];

/** What the local Gateway answers for the nth line, with so many labelers. */
export const answerOf = (n: number, threshold: number) =>
  consensusOf(SEED, { dataUrl: line(n).data_url, spec: { question: QUESTION, options: OPTIONS, threshold } });

/** The nth line with its known label, or with another one than three labelers will give it. */
export function goldLine(n: number, isWrong: boolean) {
  const { label } = answerOf(n, 3);
  return { ...line(n), gold: isWrong ? OPTIONS.find((other) => other !== label) : label };
}
