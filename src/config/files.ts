import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parse as parseYaml } from 'yaml';
import { usageError } from '../lib/errors.js';
import { nearest } from './nearest.js';
import { kebab, type OptionKey, optionOf, options } from './option-table.js';

/** The settings that a file gives. `name` is the file's as the user knows it. */
export interface SettingsFile {
  name: string;
  /** The value as written, and the key as written. */
  entries: ReadonlyMap<OptionKey, { raw: unknown; written: string }>;
}

const DEFAULT_FILES = ['config/default.json', 'config/default.yaml', 'config/default.yml'];

/** `config/default.*` of the working directory; null when there is none. */
export function readDefaultFile(cwd: string): SettingsFile | null {
  const [first, second] = DEFAULT_FILES.filter((name) => existsSync(path.join(cwd, name)));
  if (first === undefined) return null;
  if (second !== undefined) throw usageError(first, `there is ${second} too; keep one of them`);
  return readSettingsFile(first, cwd, first);
}

/** @param as how the user named the file: `--config`, `ASG_CONFIG`, or the file itself */
export function readSettingsFile(name: string, cwd: string, as: string): SettingsFile {
  const where = as === name ? name : `${as} ${name}`;
  const content = parseContent(name, where, readText(path.resolve(cwd, name), where));
  if (content === null || content === undefined) return { name, entries: new Map() };
  if (typeof content !== 'object' || Array.isArray(content))
    throw usageError(where, 'a settings file holds one object of settings, by option name');
  const entries = new Map<OptionKey, { raw: unknown; written: string }>();
  for (const [written, raw] of Object.entries(content)) {
    const key = fileKeys.get(written);
    if (key === undefined) throw unknownKey(written, name);
    const other = entries.get(key);
    if (other)
      throw usageError(`${written} in ${name}`, `the same setting as ${other.written}; keep one of them`);
    if (raw !== null) entries.set(key, { raw, written });
  }
  return { name, entries };
}

function readText(file: string, where: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const problem = code === 'ENOENT' ? 'there is no such file' : `the file cannot be read (${code})`;
    throw usageError(where, problem, { cause: error });
  }
}

function parseContent(name: string, where: string, text: string): unknown {
  const extension = path.extname(name).toLowerCase();
  try {
    if (extension === '.json') return JSON.parse(text);
    if (extension === '.yaml' || extension === '.yml') return parseYaml(text);
  } catch (error) {
    // The parsers quote the file's lines from their second line on, and a line may hold a secret.
    const [problem] = (error as Error).message.split('\n');
    throw usageError(where, `not valid ${extension === '.json' ? 'JSON' : 'YAML'}: ${problem}`);
  }
  throw usageError(where, 'a settings file ends in .json, .yaml or .yml');
}

const allKeys = Object.keys(options) as OptionKey[];
const namesOfFileKeys = allKeys.filter((key) => optionOf(key).only === undefined);
const fileKeys = new Map<string, OptionKey>(
  namesOfFileKeys.flatMap(
    (key) =>
      [
        [key, key],
        [kebab(key), key],
      ] as const,
  ),
);

function unknownKey(written: string, file: string): Error {
  const named = `${written} in ${file}`;
  const elsewhere = allKeys.find((key) => key === written || kebab(key) === written);
  if (elsewhere !== undefined) {
    const { only, env } = optionOf(elsewhere);
    if (only === 'env')
      return usageError(named, `a secret is not put in settings files; set ${env} in the environment`);
    return usageError(named, `not a setting but an option of the command line, --${kebab(elsewhere)}`);
  }
  const like = nearest(kebab(written), namesOfFileKeys.map(kebab));
  const hint = like
    ? `did you mean ${like}?`
    : '`asg-ingest run --help` lists the options; each is a setting';
  return usageError(named, 'there is no such setting', { hint });
}
