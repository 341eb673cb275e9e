/**
 * Lines per second of `plan`'s reading and checking, against `split2` and `JSON.parse` alone on the same file, in turn:
 * `npm run bench:plan [-- lines rounds]`. Needs the built package: other compilers' output is slower for both.
 */
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import split2 from 'split2';

// Of the built package, whose modules these are.
const built = (name: string) => import(new URL(`../dist/${name}.js`, import.meta.url).href);
const { openManifest } = (await built('manifest/index')) as typeof import('../src/manifest/index.js');
const { createTally } = (await built('plan/tally')) as typeof import('../src/plan/tally.js');
const { readAll } = (await built('plan/read-all')) as typeof import('../src/plan/read-all.js');
const { NONE_ENDED } = (await built('plan/ended-lines')) as typeof import('../src/plan/ended-lines.js');
const { createObjectStores } = (await built(
  'lib/object-stores/index',
)) as typeof import('../src/lib/object-stores/index.js');

const [LINES = 1_000_000, ROUNDS = 5] = process.argv.slice(2).map(Number);

function* lines(): Iterable<string> {
  for (let i = 0; i < LINES; ) {
    let chunk = '';
    for (const stop = Math.min(LINES, i + 1_000); i < stop; i += 1)
      chunk += `${JSON.stringify({ data_url: `https://images.example.org/items/${i}.jpg`, metadata: { sku: `SKU-${i}`, shelf: i % 97 } })}\n`;
    yield chunk;
  }
}

/** Lines per second of processor time: other work on the machine does not count. */
async function paced(read: () => Promise<number>): Promise<number> {
  const before = process.cpuUsage();
  const count = await read();
  const { user, system } = process.cpuUsage(before);
  return count / ((user + system) / 1e6);
}

async function floor(file: string): Promise<number> {
  let count = 0;
  for await (const value of createReadStream(file).pipe(split2(JSON.parse)))
    if (value !== undefined) count += 1;
  return count;
}

async function planned(file: string): Promise<number> {
  const task = {
    taskType: 'image_classification',
    labelSpec: { question: 'Which?', options: ['a', 'b'] },
    consensusThreshold: null,
    key: 'line',
  };
  const tally = createTally({ task, sources: 1 });
  await readAll(await openManifest(file), tally, NONE_ENDED, {
    objectStores: createObjectStores(),
    signal: new AbortController().signal,
    onRead: () => undefined,
  });
  return tally.lines();
}

const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
const folder = await mkdtemp(path.join(os.tmpdir(), 'asg-bench-'));
try {
  const file = path.join(folder, 'items.jsonl');
  await pipeline(lines, createWriteStream(file));
  const rounds: { floor: number; plan: number }[] = [];
  for (let n = 0; n < ROUNDS; n += 1) {
    const round = { floor: await paced(() => floor(file)), plan: await paced(() => planned(file)) };
    rounds.push(round);
    console.log(
      `${Math.round(round.floor)} ${Math.round(round.plan)} ${(round.plan / round.floor).toFixed(2)}`,
    );
  }
  const ratio = median(rounds.map((round) => round.plan / round.floor));
  const rss = Math.round(process.memoryUsage().rss / 2 ** 20);
  console.log(`plan reads ${ratio.toFixed(2)} × split2 + JSON.parse (median of ${ROUNDS}), RSS ${rss} MiB`);
} finally {
  await rm(folder, { recursive: true });
}
