/** The kind of a file that is no JSONL, and the command that converts it, if there is one. */
export interface Lookalike {
  what: string;
  command?: string;
}

type Maker = (name: string) => string;

const bare = (name: string) => name.replace(/\.[^.]*$/, '') || name;
const quoted = (name: string) => (/^[\w.@%+=:,-]+$/.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`);
const into = (name: string) => quoted(`${bare(name)}.jsonl`);
/** A converter that reads one file and writes another of a name that differs. */
const through =
  (tool: string): Maker =>
  (name) =>
    `${tool} ${quoted(name)} > ${/\.jsonl$/i.test(name) ? quoted(`${bare(name)}-lines.jsonl`) : into(name)}`;

const PANDAS: Maker = (name) =>
  `python3 -c 'import sys, pandas; pandas.read_parquet(sys.argv[1]).to_json(sys.argv[2], orient="records", lines=True)' ${quoted(name)} ${into(name)}`;
const csvReader =
  (delimiter: string): Maker =>
  (name) =>
    `python3 -c 'import csv, json, sys; [print(json.dumps(row)) for row in csv.DictReader(sys.stdin${delimiter})]' < ${quoted(name)} > ${into(name)}`;

/** Magic numbers, as text of one character a byte. */
const MAGIC: readonly (readonly [start: string, what: string, make?: Maker])[] = [
  ['PAR1', 'Parquet', PANDAS],
  ['PK\x03\x04', 'a ZIP archive', through('unzip -p')],
  ['\x1f\x8b', 'gzip data within gzip data', through('zcat')],
  ['BZh', 'bzip2 data', through('bzip2 -dc')],
  ['\xfd7zXZ\0', 'xz data', through('xz -dc')],
  ['7z\xbc\xaf\x27\x1c', 'a 7z archive', through('7z e -so')],
  ['\xff\xfe', 'UTF-16 text, as PowerShell writes it', through('iconv -f UTF-16 -t UTF-8')],
  ['\xfe\xff', 'UTF-16 text', through('iconv -f UTF-16 -t UTF-8')],
  ['Obj\x01', 'Avro'],
  ['ORC', 'ORC'],
  ['ARROW1', 'Arrow'],
  ['SQLite format 3\0', 'a SQLite database'],
  ['%PDF-', 'PDF'],
];

/** The kind of a file by its first bytes alone; null when it is text. */
export function binaryLookalike(head: Buffer, name: string): Lookalike | null {
  const start = head.toString('latin1', 0, 512);
  if (/\.xlsx$/i.test(name) && start.startsWith('PK'))
    return { what: 'an Excel workbook; save it as CSV first' };
  for (const [magic, what, make] of MAGIC) {
    if (!start.startsWith(magic)) continue;
    // Letters that begin a text as well.
    if (/^[A-Za-z0-9]+$/.test(magic) && magic !== 'PAR1' && !start.includes('\0')) continue;
    return { what, ...(make && { command: make(name) }) };
  }
  if (start.slice(257, 262) === 'ustar') return { what: 'a tar archive', command: through('tar -xOf')(name) };
  if (!start.includes('\0')) return null;
  const zeros = (odd: number) =>
    [...start.slice(0, 64)].filter((byte, i) => i % 2 === odd && byte === '\0').length;
  if (zeros(1) > 16 && zeros(0) === 0)
    return { what: 'UTF-16 text', command: through('iconv -f UTF-16LE -t UTF-8')(name) };
  if (zeros(0) > 16 && zeros(1) === 0)
    return { what: 'UTF-16 text', command: through('iconv -f UTF-16BE -t UTF-8')(name) };
  return { what: 'binary data' };
}

const parses = (text: string) => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

/** The kind of text of which no line is a JSON object. */
export function textLookalike(lines: readonly string[], name: string): Lookalike {
  const [first = '', second = ''] = lines.map((line) => line.trim());
  if (first.startsWith('[')) return { what: 'one JSON array', command: through("jq -c '.[]'")(name) };
  if (/^<(!doctype html|html)/i.test(first)) return { what: 'a web page' };
  if (first.startsWith('<')) return { what: 'XML' };
  if (lines.every((line) => parses(line.trim().replace(/,$/, ''))) && first.startsWith('{'))
    return {
      what: 'JSON objects with commas between the lines',
      command: through("sed 's/,[[:space:]]*$//'")(name),
    };
  if (/^\{\s*'[^']*':/.test(first))
    return {
      what: "Python's way to print a dict",
      command: `python3 -c 'import ast, json, sys; [print(json.dumps(ast.literal_eval(line))) for line in sys.stdin]' < ${quoted(name)} > ${quoted(`${bare(name)}-lines.jsonl`)}`,
    };
  if (first === '{' || (first.startsWith('{') && second.startsWith('"')))
    return { what: 'JSON objects over several lines each', command: through('jq -c .')(name) };
  if (lines.every((line) => /^https?:\/\/\S+$/i.test(line.trim())))
    return { what: 'one URL a line', command: through("jq -cR '{data_url: .}'")(name) };
  for (const [delimiter, what] of [
    ['\t', 'tab-separated values'],
    [';', 'CSV with semicolons'],
    [',', 'CSV'],
  ] as const)
    if (first.includes(delimiter) && !first.startsWith('{'))
      return {
        what,
        command: csvReader(delimiter === ',' ? '' : `, delimiter="${delimiter === '\t' ? '\\t' : ';'}"`)(
          name,
        ),
      };
  return { what: 'text that is no JSON' };
}
