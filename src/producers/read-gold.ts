import { createHash } from 'node:crypto';
import type { Settings } from '../config/index.js';
import { usageError } from '../lib/errors.js';
import type { ObjectStores } from '../lib/object-stores/index.js';
import {
  fieldMapOf,
  type Manifest,
  openManifest,
  parseLine,
  type RawLine,
  readLines,
} from '../manifest/index.js';
import { taskOptions } from '../runs/from-settings.js';
import { GOLD_SOURCE, type Gold, type GoldLine } from '../runs/gold.js';
import type { TaskOptions } from '../runs/record.js';
import { prepareLine } from './prepare-line.js';

/** A limit, since all gold lines are kept in memory and in Redis. */
const MOST_LINES = 10_000;
const MOST_BYTES = 8 << 20;

interface ReadGold {
  cwd: string;
  objectStores: ObjectStores;
  signal?: AbortSignal | undefined;
}

/**
 * The lines of `--gold`; null without it.
 *
 * @throws IngestError `usage` that names the line
 */
export async function readGoldOf(
  settings: Settings,
  { sources }: Pick<Manifest, 'sources'>,
  options: ReadGold,
): Promise<Gold | null> {
  if (settings.gold === null) {
    if (settings.maxGoldErrors === null) return null;
    throw usageError('--max-gold-errors', 'needs --gold: without it no label is known; nothing was sent');
  }
  const gold = await readGold(settings.gold, taskOptions(settings), options);
  if (sources.some(({ name }) => name === GOLD_SOURCE))
    throw wrong(
      `a file of the manifest is named ${GOLD_SOURCE}, as the gold lines' source is`,
      'give it another name',
    );
  return gold;
}

/**
 * Reads a `--gold` file and checks every line of it: one that is wrong would be counted as a wrong answer.
 *
 * @throws IngestError `usage` that names the line
 */
async function readGold(
  spec: string,
  task: TaskOptions,
  { cwd, signal, objectStores }: ReadGold,
): Promise<Gold> {
  if (spec === '-') throw wrong('standard input cannot be used', 'give a file');
  const read = { objectStores, ...(signal && { signal }) };
  const { sources } = await openManifest(spec, { cwd, ...read });
  const [source, ...more] = sources;
  if (source === undefined || more.length > 0)
    throw wrong(`${spec} is ${sources.length} files`, 'give one file');
  const lines: GoldLine[] = [];
  let bytes = 0;
  for await (const batch of readLines(source, { line: 0, offset: 0 }, read))
    for (const raw of batch) {
      const text = checked(raw, task, spec);
      if (text === null) continue;
      lines.push([raw.line, text]);
      bytes += raw.bytes;
      if (lines.length > MOST_LINES || bytes > MOST_BYTES)
        throw wrong(
          `${spec}, line ${raw.line}: more than ${MOST_LINES} lines or ${MOST_BYTES / 2 ** 20} MiB`,
          'give fewer lines: some hundreds tell the share of right labels to a few percent',
        );
    }
  if (lines.length === 0) throw wrong(`${spec} has no line`, 'each line is as in a manifest, with "gold"');
  return { digest: digestOf(lines), lines };
}

const digestOf = (lines: readonly GoldLine[]) =>
  createHash('sha256').update(JSON.stringify(lines)).digest('hex').slice(0, 16);

/** The line's text; null for a blank one. */
function checked(raw: RawLine, task: TaskOptions, spec: string): string | null {
  const at = `${spec}, line ${raw.line}`;
  const parsed = parseLine(raw, fieldMapOf(task.map ?? []));
  if (parsed.kind === 'blank') return null;
  if (parsed.kind === 'rejected') throw wrong(`${at}: ${parsed.problem.message}`);
  const prepared = prepareLine(task, raw, parsed.item);
  if (prepared.kind === 'rejected') throw wrong(`${at}: ${prepared.problem.message}`);
  const { gold } = parsed.item.input;
  if (typeof gold !== 'string' || gold.trim() === '')
    throw wrong(
      `${at}: gold: must be the label that is known to be right, got ${JSON.stringify(gold) ?? 'nothing'}`,
    );
  const { options = [] } = parsed.item.label_spec ?? task.labelSpec ?? {};
  if (!options.includes(gold))
    throw wrong(`${at}: gold: ${JSON.stringify(gold)} is none of the options (${options.join(', ')})`);
  return parsed.item.text;
}

const wrong = (problem: string, hint = 'correct the line') =>
  usageError('--gold', problem, { hint: `${hint}; nothing was sent` });
