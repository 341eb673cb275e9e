import { createHash } from 'node:crypto';
import type { LabelSpec } from '../gateway/types.js';
import { rawPath } from '../manifest/raw-fields.js';

/** The Gateway's limit is not documented; longer values of a field are hashed. */
const MAX_LENGTH = 128;

/** A task's content, as far as the Gateway labels it. */
export interface TaskContent {
  type: string;
  data_url: string;
  label_spec: LabelSpec;
  consensus_threshold: number | null;
}

/**
 * `--key line`: depends on the run, the source and the line, and on nothing else (invariant 2). A run of a given name
 * takes in what it is made of, so that the name can be used again for another manifest.
 */
export function lineKey(
  { id, scope, pilot }: { id: string; scope: string; pilot?: { of: string } },
  source: number,
  line: number,
): string {
  // A pilot buys for the run that it is a pilot of.
  const run = pilot?.of ?? id;
  return `${scope === '' || scope === run ? run : `${run}.${scope}`}-${source}-${line}`;
}

/** `--key content`: the task without the run. Object keys are sorted, so that their order does not matter. */
export function contentKey(content: TaskContent): string {
  return `content-${sha256(canonical(content)).slice(0, 40)}`;
}

/** Distinguishes the questions of lines. */
export const contentDigest = (content: TaskContent): string => sha256(canonical(content)).slice(0, 12);

/**
 * `--key <field>`: the value at a path of the line's object, as it is written, so that `1` and `"1"` differ and no
 * digit of a long number is lost. With a digest of the question, so that another question is another task. Undefined
 * when the line lacks the field.
 */
export function fieldKey(
  path: string,
  object: string,
  { data_url: _of, ...asked }: TaskContent,
): string | undefined {
  const value = rawPath(object, path);
  if (value === undefined || value === 'null' || value === '""') return undefined;
  const digest = sha256(canonical(asked)).slice(0, 12);
  const key = `${path}=${value}-${digest}`;
  return key.length <= MAX_LENGTH
    ? key
    : `${`${path}-${sha256(value).slice(0, 40)}`.slice(-MAX_LENGTH + 13)}-${digest}`;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

export const canonical = (value: unknown): string =>
  JSON.stringify(value, (_name, inner: unknown) =>
    isObject(inner) && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
