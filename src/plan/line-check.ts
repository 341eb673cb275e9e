import { fieldMapOf, type LineItem, parseLine, type RawLine } from '../manifest/index.js';
import { prepareLine } from '../producers/prepare-line.js';
import { contentKey, type TaskContent } from '../runs/idempotency-key.js';
import type { TaskOptions } from '../runs/record.js';
import { type Hash64, hashInto } from './hash.js';

/** The result of a line's check. The hashes are valid until the next line is checked. */
export type CheckedLine =
  | { kind: 'blank' }
  | { kind: 'rejected'; code: string; message: string }
  | {
      kind: 'valid';
      /** The hash of the labeled content: equal for lines that ask the same of the same address. */
      content: Hash64;
      /** The hash of the idempotency key; null where it follows from the line's place, so no two lines share it. */
      key: Hash64 | null;
      /** An earlier run has settled what it asks. */
      unchanged: boolean;
    };

/** Whether an earlier run has settled this. */
export type IsKnown = (content: TaskContent) => boolean;

const ORIGIN: Hash64 = { hi: 0, lo: 0 };
const BLANK: CheckedLine = { kind: 'blank' };

/** Checks lines as a run of these task options would, and sends nothing. */
export function createLineCheck(task: TaskOptions, isKnown?: IsKnown): (raw: RawLine) => CheckedLine {
  /** A valid item is checked in full: a line without a question, or without the field of its key, is refused too. */
  const mayRefuse =
    isKnown !== undefined || task.labelSpec === null || (task.key !== 'line' && task.key !== 'content');
  const map = fieldMapOf(task.map ?? []);
  const common = contentSeed(task, {});
  const content: Hash64 = { hi: 0, lo: 0 };
  const key: Hash64 = { hi: 0, lo: 0 };
  const answer = { kind: 'valid' as const, content, key: null as Hash64 | null, unchanged: false };

  return (raw) => {
    const parsed = parseLine(raw, map);
    if (parsed.kind === 'blank') return BLANK;
    if (parsed.kind === 'rejected')
      return { kind: 'rejected', code: parsed.problem.code, message: parsed.problem.message };
    const { item } = parsed;
    let own = item.idempotency_key;
    if (mayRefuse) {
      const prepared = prepareLine(task, raw, item);
      if (prepared.kind === 'rejected')
        return { kind: 'rejected', code: prepared.problem.code, message: prepared.problem.message };
      own = prepared.line.key;
      answer.unchanged = isKnown?.(prepared.asks) ?? false;
    }
    const overrides =
      item.type !== undefined || item.label_spec !== undefined || item.consensus_threshold !== undefined;
    hashInto(content, item.data_url, overrides ? contentSeed(task, item) : common);
    answer.key = null;
    if (own !== undefined) {
      hashInto(key, own, ORIGIN);
      answer.key = key;
    } else if (task.key === 'content') answer.key = content;
    return answer;
  };
}

/** The hash of the question, without the address. Lines without fields of their own share it. */
function contentSeed(task: TaskOptions, item: Partial<LineItem>): Hash64 {
  const seed: Hash64 = { hi: 0, lo: 0 };
  const text = contentKey({
    type: item.type ?? task.taskType,
    data_url: '',
    label_spec: item.label_spec ?? task.labelSpec ?? { question: '', options: [] },
    consensus_threshold: item.consensus_threshold ?? task.consensusThreshold,
  });
  hashInto(seed, text, ORIGIN);
  return seed;
}
