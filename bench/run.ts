/**
 * How fast, how large and how dear: the floors and the built package, in turn, on this machine.
 *   npm run bench                                   the full form, about 20 minutes
 *   npm run bench -- --quick                        under three minutes, smaller sizes
 *   npm run bench -- --only producing,version       some sections
 *   npm run bench -- --limit 60                     no run that shows growth takes longer than so many seconds
 *   npm run bench -- --json figures.json            the results as JSON, too
 *   npm run bench -- --write-docs [--no-measure]    docs/performance.md from what is measured (or recorded)
 */
import { writeFile } from 'node:fs/promises';
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { findRedisServer } from '../src/redis/binary.js';
import { type Form, full, quick } from './forms.js';
import { assertBuilt } from './lab/built.js';
import { removeManifests } from './lab/lab.js';
import { measure } from './measure.js';
import { keepAsAfter, writeDocs } from './report/docs.js';
import { type Results, SECTIONS, type Section } from './report/results.js';
import { comparedFigures, contenders, growth, profileTables } from './report/tables.js';

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    json: { type: 'string' },
    limit: { type: 'string' },
    'write-docs': { type: 'boolean', default: false },
    'no-measure': { type: 'boolean', default: false },
  },
});

const load = () => Number((loadavg()[0] ?? 0).toFixed(1));

function wanted(): Section[] {
  if (values.only === undefined) return [...SECTIONS];
  const names = values.only.split(',');
  const unknown = names.find((name) => !SECTIONS.some((section) => section === name));
  if (unknown !== undefined) throw new Error(`${unknown}: one of ${SECTIONS.join(', ')}`);
  return SECTIONS.filter((section) => names.includes(section));
}

/** The tables mark a point that `--limit` has cut off. */
function limited(form: Form): Form {
  if (values.limit === undefined || form.growth === null) return form;
  const limitMs = Number(values.limit) * 1000;
  if (!(limitMs > 0)) throw new Error(`--limit ${values.limit}: seconds`);
  return { ...form, growth: { ...form.growth, linesLimitMs: limitMs, limitMs } };
}

async function measured(): Promise<Results> {
  await assertBuilt();
  const form = limited(values.quick ? quick : full);
  const [began, loadBefore] = [performance.now(), load()];
  const { product, version } = await findRedisServer();
  const say = (message: string) => process.stderr.write(`${message}\n`);
  const results = await measure(form, wanted(), say);
  return {
    measured: {
      at: new Date().toISOString(),
      form: form.name,
      node: process.versions.node,
      redis: `${product === 'redis' ? 'Redis' : 'Valkey'} ${version.join('.')}`,
      cpus: cpus().length,
      load: [loadBefore, load()],
      seconds: Math.round((performance.now() - began) / 1000),
    },
    ...results,
  };
}

if (!values['no-measure']) {
  const results = await measured().finally(removeManifests);
  const tables = [
    comparedFigures(undefined, results),
    contenders(results),
    profileTables(results),
    growth(results),
  ];
  process.stdout.write(`${tables.filter((text) => text !== '').join('\n\n')}\n`);
  if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(results, null, 2)}\n`);
  if (values['write-docs']) await keepAsAfter(results);
}
if (values['write-docs']) await writeDocs();
