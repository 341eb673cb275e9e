/**
 * `npm run campaign -- --seed N --minutes M [--faults N] [--round N] [--parallel N] [--lines 500-3000] [--only names]
 * [--skip names] [--known kinds]`: runs of the built command line with faults at random. Prints a table, writes JSON, and ends with 1 when the oracle
 * found anything.
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { KINDS } from '../oracle/find-problems.js';
import buildIfOlder from '../setup/build.js';
import { runCampaign } from './campaign.js';
import { type FindingKind, ON_THE_WAY } from './findings.js';
import { formatReport } from './report.js';

const text = { type: 'string' } as const;
const { values } = parseArgs({
  options: {
    seed: text,
    minutes: text,
    faults: text,
    round: text,
    only: text,
    skip: text,
    known: text,
    steps: text,
    lines: text,
    parallel: text,
    'hung-seconds': text,
    json: text,
  },
});

const number = (value: string | undefined) => (value === undefined ? undefined : Number(value));
const list = (value: string | undefined) => value?.split(',').map((name) => name.trim());

function range(value: string | undefined): [number, number] | undefined {
  if (value === undefined) return undefined;
  const [least, most] = value.split('-').map(Number);
  return [least ?? 0, most ?? least ?? 0];
}
const kinds = new Set<string>([...Object.keys(KINDS), ...ON_THE_WAY]);
const known = list(values.known)?.map((name): FindingKind => {
  if (!kinds.has(name)) throw new Error(`--known: there is no kind ${name}`);
  return name as FindingKind;
});
const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const)
  process.once(name, () => stop.abort(new Error(`interrupted by ${name}`)));
buildIfOlder();
const report = await runCampaign({
  seed: values.seed ?? '1',
  minutes: number(values.minutes) ?? 1,
  faults: number(values.faults),
  round: number(values.round),
  only: list(values.only),
  skip: list(values.skip),
  known,
  parallel: number(values.parallel),
  steps: number(values.steps),
  lines: range(values.lines),
  hungMs: (number(values['hung-seconds']) ?? 60) * 1_000,
  signal: stop.signal,
  log: (line) => process.stderr.write(`${line}\n`),
});
const file = values.json ?? 'campaign.json';
await writeFile(file, `${JSON.stringify(report, null, 2)}\n`);
console.log(`${formatReport(report)}\n\nwritten to ${file}`);
process.exitCode = stop.signal.aborted ? 130 : report.findings.length > 0 ? 1 : 0;
