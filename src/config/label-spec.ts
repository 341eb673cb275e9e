import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { LabelSpec } from '../gateway/types.js';
import { usageError } from '../lib/errors.js';

/** The origin of the label spec's three options: how each was written, and how far it outranks the others. */
export interface Given<T> {
  value: T | null;
  as: string;
  rank: number;
}

/**
 * The label spec of `--label-spec`, or of `--question` and `--options`. The two ways exclude each other where they are
 * equal in rank; else the higher (a flag over a file) wins.
 */
export function resolveLabelSpec(
  given: { spec: Given<string | object>; question: Given<string>; options: Given<readonly string[]> },
  cwd: string,
): LabelSpec | null {
  const { spec, question, options } = given;
  const apart = Math.max(
    question.value === null ? -1 : question.rank,
    options.value === null ? -1 : options.rank,
  );
  if (spec.value !== null && spec.rank >= apart) {
    if (spec.rank === apart) {
      const other = question.value === null ? options.as : question.as;
      throw usageError(
        spec.as,
        `not together with ${other}: the file says both the question and its options`,
      );
    }
    return checkSpec(
      typeof spec.value === 'string' ? readSpec(spec.value, spec.as, cwd) : spec.value,
      spec.as,
    );
  }
  if (question.value === null && options.value === null) return null;
  if (options.value === null)
    throw usageError(question.as, 'a question needs --options a,b,… (two at least)');
  if (question.value === null) throw usageError(options.as, 'options need a --question');
  checkOptions(options.value, options.as);
  return { question: question.value, options: [...options.value] };
}

function readSpec(file: string, as: string, cwd: string): unknown {
  let text: string;
  try {
    text = readFileSync(path.resolve(cwd, file), 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const problem = code === 'ENOENT' ? 'there is no such file' : `the file cannot be read (${code})`;
    throw usageError(as, `${file}: ${problem}`, { cause: error });
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw usageError(as, `${file}: not valid JSON: ${(error as Error).message}`);
  }
}

function checkSpec(spec: unknown, as: string): LabelSpec {
  const { question, options } = (typeof spec === 'object' && spec !== null ? spec : {}) as Record<
    string,
    unknown
  >;
  if (typeof question !== 'string' || question.trim() === '')
    throw usageError(
      as,
      'a label spec is an object {"question": "…", "options": ["…", "…"]}; its question is missing',
    );
  if (!Array.isArray(options) || !options.every((label) => typeof label === 'string' && label.trim() !== ''))
    throw usageError(
      as,
      'a label spec is an object {"question": "…", "options": ["…", "…"]}; its options are not a list of texts',
    );
  checkOptions(options, as);
  return { ...(spec as object), question, options };
}

function checkOptions(options: readonly string[], as: string): void {
  const twice = options.find((label, index) => options.indexOf(label) !== index);
  if (twice !== undefined)
    throw usageError(as, `${JSON.stringify(twice)} is there twice; options are to be distinct`);
  if (options.length < 2)
    throw usageError(as, `${JSON.stringify(options.join(','))} is one option; two at least are needed`);
}
