/**
 * Keeps the gain: fails when one of our ratios to the floor falls by a third of what is recorded in expected.json.
 * About 40 seconds; ratios of two programs in turn on the same machine, so a slow machine fails nothing.
 *   npm run bench:check                 compares
 *   npm run bench:check -- --record     records what is measured
 */
import { readFile, writeFile } from 'node:fs/promises';
import { endToEnd } from './figures/end-to-end.js';
import { producing } from './figures/producing.js';
import { assertBuilt } from './lab/built.js';
import { removeManifests } from './lab/lab.js';
import { inTurn, medians, rounded } from './lab/stats.js';
import { table } from './report/tables.js';

const EXPECTED = new URL('expected.json', import.meta.url);
const ROUNDS = 2;
const LINES = 8_000;
const PRODUCED = 30_000;
/** What is left of a ratio when it has fallen by a third. */
const LEAST_SHARE = 2 / 3;

/** Each is better when it is more. */
async function ratios(): Promise<Record<string, number>> {
  const runs = await inTurn(ROUNDS, {
    floor: () => endToEnd('bullmq', LINES),
    ours: () => endToEnd('ours', LINES),
  });
  const [floor, ours] = [medians(runs.floor), medians(runs.ours)];
  const produced = await inTurn(ROUNDS, {
    floor: () => producing('add_bulk', PRODUCED),
    ours: () => producing('ours', PRODUCED),
  });
  const [bulk, produce] = [medians(produced.floor), medians(produced.ours)];
  return {
    end_to_end: ours.lines_per_s / floor.lines_per_s,
    producing: produce.lines_per_s / bulk.lines_per_s,
    bytes_per_waiting_line: bulk.bytes_per_waiting_line / produce.bytes_per_waiting_line,
    process_cpu_per_line: floor.process_cpu_us_per_line / ours.process_cpu_us_per_line,
    redis_cpu_per_line: floor.redis_cpu_us_per_line / ours.redis_cpu_us_per_line,
    redis_commands_per_line: floor.redis_commands_per_line / ours.redis_commands_per_line,
  };
}

await assertBuilt();
const began = performance.now();
const found = await ratios().finally(removeManifests);
if (process.argv.includes('--record')) {
  const text = Object.fromEntries(Object.entries(found).map(([name, ratio]) => [name, rounded(ratio)]));
  await writeFile(EXPECTED, `${JSON.stringify(text, null, 2)}\n`);
}
const expected = JSON.parse(await readFile(EXPECTED, 'utf8')) as Record<string, number>;
const rows = Object.entries(found).map(([name, ratio]) => {
  const least = (expected[name] ?? Number.POSITIVE_INFINITY) * LEAST_SHARE;
  return [name, ratio, expected[name], least, ratio >= least ? 'ok' : 'FELL'];
});
const headers = ['floor ratio, better when more', 'is', 'recorded', 'least', ''];
process.stdout.write(`${table(headers, rows)}\n${Math.round((performance.now() - began) / 1000)} s\n`);
if (rows.some(([, , , , verdict]) => verdict !== 'ok')) process.exitCode = 1;
