import { number } from '../lib/format.js';
import type { EscalationStatus } from '../runs/escalation.js';
import type { GoldStatus } from '../runs/gold.js';

/** `14 of 15 agreed (93.3%), 1 failed, 20 in all`; null without gold lines. */
export function goldText(gold: GoldStatus | null | undefined): string | null {
  if (gold == null) return null;
  const { lines, agreed, disagreed, failed, share } = gold;
  const answers = agreed + disagreed;
  return [
    share === null
      ? 'none answered yet'
      : `${number(agreed)} of ${number(answers)} agreed (${Number((share * 100).toFixed(1))}%)`,
    ...(failed > 0 ? [`${number(failed)} failed`] : []),
    ...(answers + failed < lines ? [`${number(lines)} in all`] : []),
  ].join(', ');
}

/** `12 lines asked again (confidence<0.7), 3 changed, 1 failed, 19,500 sats`; null without `--escalate`. */
export function escalatedText(escalated: EscalationStatus | null | undefined): string | null {
  if (escalated == null) return null;
  const { condition, lines, changed, failed, not_asked, cost_sats } = escalated;
  return [
    `${number(lines)} lines asked again (${condition})`,
    `${number(changed)} changed`,
    ...(failed > 0 ? [`${number(failed)} without a second answer`] : []),
    ...(not_asked > 0 ? [`${number(not_asked)} more not asked`] : []),
    `${number(cost_sats)} sats`,
  ].join(', ');
}
