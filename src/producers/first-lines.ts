import { usageError } from '../lib/errors.js';
import type { ObjectStores } from '../lib/object-stores/index.js';
import {
  displayName,
  fieldMapOf,
  type Manifest,
  type ParsedLine,
  parseLine,
  type RawLine,
  readHead,
  type Source,
} from '../manifest/index.js';
import { createLineSplitter } from '../manifest/line-splitter.js';
import { binaryLookalike, type Lookalike, textLookalike } from '../manifest/looks-like.js';
import { manifestError } from '../manifest/sources/store.js';
import type { TaskOptions } from '../runs/record.js';

const MOST_LINES = 100;
const HEAD_BYTES = 256 * 1024;
const LONGEST_LINE = 1024 * 1024;

/** The types that the Gateway is documented to know. */
const TASK_TYPES: readonly string[] = [
  'image_classification',
  'text_classification',
  'sentiment',
  'moderation',
];

export interface FirstLines {
  /** How many lines were checked, without blank ones. */
  looked: number;
  /** How many of them would fail, and the error of the first one. */
  rejected: number;
  example: string | null;
}

const NOT_LOOKED: FirstLines = { looked: 0, rejected: 0, example: null };

/**
 * Checks the first lines of a manifest before anything is sent. An error in all of them is an error of the manifest or
 * of the options, and would fail every line. From standard input, only the lines of the first chunk are checked.
 *
 * @throws IngestError `manifest` when none of them is a line of a manifest, `usage` when nothing is asked
 */
export async function checkFirstLines(
  manifest: Manifest,
  task: Pick<TaskOptions, 'labelSpec' | 'taskType' | 'map'>,
  options: { objectStores: ObjectStores; signal?: AbortSignal | undefined },
): Promise<FirstLines> {
  const [source] = manifest.sources;
  if (source === undefined) return NOT_LOOKED;
  const { signal, ...stores } = options;
  let start: Awaited<ReturnType<typeof readHead>>;
  try {
    start = await readHead(source, HEAD_BYTES, { ...stores, ...(signal && { signal }) });
  } catch (error) {
    // Not reported here: the run meets the damaged source again and is blocked. An empty stream is a mistake, so it is
    // refused.
    if ((error as { code?: unknown }).code === 'source_changed') return NOT_LOOKED;
    throw error;
  }
  const name = displayName(source);
  const binary = binaryLookalike(start.head, fileNameOf(source));
  if (binary !== null) throw noManifest(name, binary, 'its first bytes');
  const raws = (await linesOf(start))
    .filter(({ text }) => text === null || text.trim() !== '')
    .slice(0, MOST_LINES);
  const map = fieldMapOf(task.map ?? []);
  const parsed = raws.map((raw) => parseLine(raw, map));
  refuseWhatIsNone(source, raws, parsed);
  refuseUnknownTypes(name, raws, parsed, task.taskType);
  if (task.labelSpec === null) refuseUnasked(name, parsed);
  const wrong = parsed.filter(isRejected);
  const at = parsed.findIndex(isRejected);
  return {
    looked: raws.length,
    rejected: wrong.length,
    example: wrong[0] === undefined ? null : `line ${raws[at]?.line}: ${wrong[0].problem.message}`,
  };
}

/** Standard input has no file name. */
const fileNameOf = ({ name, spool }: Source) => (spool === undefined ? name : 'items');

/** The complete lines of the first bytes. A line that is cut off is left out. */
async function linesOf({ head, whole }: { head: Buffer; whole: boolean }): Promise<RawLine[]> {
  const splitter = createLineSplitter({ line: 0, offset: 0 }, LONGEST_LINE);
  const lines = await splitter.push(head);
  const last = await splitter.end();
  return whole || lines.length === 0 ? [...lines, ...last] : lines;
}

const isRejected = (line: ParsedLine): line is Extract<ParsedLine, { kind: 'rejected' }> =>
  line.kind === 'rejected';
const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function refuseWhatIsNone(source: Source, raws: readonly RawLine[], parsed: readonly ParsedLine[]): void {
  if (parsed.length === 0 || !parsed.every(isRejected)) return;
  const name = displayName(source);
  const objects = parsed.map(({ input }) => JSON.parse(input) as unknown).filter(isRecord);
  if (objects.length === 0) {
    // A line that is too long to check counts neither way.
    if (parsed.some(({ problem }) => problem.code === 'line_too_long') && !/^\s*\[/.test(raws[0]?.text ?? ''))
      return;
    const texts = raws.map(({ text }) => text ?? '');
    throw noManifest(name, textLookalike(texts, fileNameOf(source)), which(parsed.length));
  }
  const [first] = objects;
  if (first === undefined || objects.length < parsed.length) return;
  if (objects.some((object) => Object.hasOwn(object, 'data_url') || isRecord(object.error))) return;
  const line = raws[0]?.line ?? 1;
  const list = Object.entries(first).find(([, value]) => Array.isArray(value) && isRecord(value[0]));
  if (parsed.length === 1 && list !== undefined)
    throw noManifest(
      name,
      {
        what: 'one JSON object that holds a list',
        command: `jq -c '.${list[0]}[]' ${fileNameOf(source)} > lines.jsonl`,
      },
      'it',
    );
  const like = urlField(first);
  const fields = Object.keys(first)
    .slice(0, 5)
    .map((field) => JSON.stringify(field));
  const has = like === null ? (fields.length === 0 ? 'no field' : fields.join(', ')) : JSON.stringify(like);
  throw manifestError(
    `${name}: line ${line} has ${has}; lines need "data_url" (${which(parsed.length)} have none); nothing was sent`,
    like === null
      ? 'name the field that holds the URL: --map data_url=<field>'
      : `--map data_url=${like} takes them as they are`,
  );
}

/** The path of the first field that holds an http URL. Names with `image` or `url` in them go first. */
function urlField(object: Record<string, unknown>): string | null {
  const found: string[] = [];
  const look = (at: Record<string, unknown>, path: string, depth: number): void => {
    for (const [name, value] of Object.entries(at)) {
      if (typeof value === 'string' && /^https?:\/\//i.test(value)) found.push(path + name);
      else if (isRecord(value) && depth < 3) look(value, `${path}${name}.`, depth + 1);
    }
  };
  look(object, '', 0);
  return found.find((name) => /url|uri|image|img|link|src/i.test(name)) ?? found[0] ?? null;
}

function refuseUnknownTypes(
  name: string,
  raws: readonly RawLine[],
  parsed: readonly ParsedLine[],
  taskType: string,
): void {
  const items = parsed.flatMap((line) => (line.kind === 'item' ? [line.item] : []));
  const unknown = (type: string | undefined) =>
    type !== undefined && type !== taskType && !TASK_TYPES.includes(type);
  const [first] = items;
  if (first === undefined || !items.every(({ type }) => unknown(type))) return;
  const line = raws[parsed.findIndex(({ kind }) => kind === 'item')]?.line ?? 1;
  throw manifestError(
    `${name}: line ${line} has the type ${JSON.stringify(first.type)}, and ${which(items.length)} have types like it; the Gateway knows ${TASK_TYPES.join(', ')}; nothing was sent`,
    `correct the types; or --task-type ${first.type} says that the Gateway knows this one`,
  );
}

function refuseUnasked(name: string, parsed: readonly ParsedLine[]): void {
  const items = parsed.flatMap((line) => (line.kind === 'item' ? [line.item] : []));
  if (items.length === 0 || items.some(({ label_spec }) => label_spec !== undefined)) return;
  throw usageError(
    '--question',
    `nothing is asked: neither the run nor ${which(items.length)} of ${name} say what`,
    {
      hint: 'add --question and --options, or --label-spec, or a label_spec to each line; nothing was sent',
    },
  );
}

const which = (lines: number) =>
  lines >= MOST_LINES
    ? `the first ${lines} lines`
    : lines === 1
      ? 'its first line'
      : `its first ${lines} lines`;

function noManifest(name: string, { what, command }: Lookalike, looked: string) {
  return manifestError(
    `${name}: no manifest of JSON lines: ${looked} look${/s$/.test(looked) ? '' : 's'} like ${what}; nothing was sent`,
    command ?? 'a manifest has one JSON object a line, with its data_url',
  );
}
