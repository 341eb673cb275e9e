import { createHash } from 'node:crypto';
import type { LabelSpec } from '../gateway/types.js';

/** The Gateway's limit is not documented; longer values of a field are hashed. */
const MAX_LENGTH = 128;

/** What a task is, as far as the Gateway labels it. */
export interface TaskContent {
  type: string;
  data_url: string;
  label_spec: LabelSpec;
  consensus_threshold: number | null;
}

/** `--key line`: depends on the run, the source and the line, and on nothing else (invariant 2). */
export const lineKey = (runId: string, source: number, line: number) => `${runId}-${source}-${line}`;

/** `--key content`: the task without the run. Object keys are sorted, so that their order does not matter. */
export function contentKey(content: TaskContent): string {
  return `content-${sha256(canonical(content)).slice(0, 40)}`;
}

/** `--key <field>`: the value at a path of the line's object; undefined when the line lacks it. */
export function fieldKey(path: string, object: Record<string, unknown>): string | undefined {
  const value = path
    .split('.')
    .reduce<unknown>((at, name) => (isObject(at) && Object.hasOwn(at, name) ? at[name] : undefined), object);
  if (value === undefined || value === null || value === '') return undefined;
  const text = typeof value === 'string' ? value : canonical(value);
  const key = `${path}=${text}`;
  return key.length <= MAX_LENGTH ? key : `${path}-${sha256(text).slice(0, 40)}`.slice(-MAX_LENGTH);
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

const canonical = (value: unknown): string =>
  JSON.stringify(value, (_name, inner: unknown) =>
    isObject(inner) && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
