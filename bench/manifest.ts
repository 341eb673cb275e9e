/** Lines per second of reading and parsing: `npx tsx bench/manifest.ts [lines]`, for plain, gzip and zstd. */
import { execFileSync } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { openManifest, parseLine, readLines } from '../src/manifest/index.js';

const LINES = Number(process.argv[2] ?? 500_000);
const LINE_BYTES = 200;

function* lines(): Iterable<string> {
  for (let i = 0; i < LINES; ) {
    let chunk = '';
    for (const stop = Math.min(LINES, i + 1000); i < stop; i += 1) {
      const metadata = { sku: `SKU-${i}`, species: 'lynx lynx', location: i % 10 === 0 ? 'Tromsø' : 'Bern' };
      const line = { data_url: `https://images.example.org/${i}.jpg`, metadata, pad: '' };
      const padding = LINE_BYTES - 1 - Buffer.byteLength(JSON.stringify(line));
      chunk += `${JSON.stringify({ ...line, pad: 'x'.repeat(Math.max(0, padding)) })}\n`;
    }
    yield chunk;
  }
}

async function measure(file: string): Promise<void> {
  const manifest = await openManifest(file);
  const started = performance.now();
  let [count, bytes] = [0, 0];
  for (const source of manifest.sources) {
    for await (const batch of readLines(source, { line: 0, offset: 0 })) {
      for (const raw of batch) {
        bytes += raw.bytes;
        if (parseLine(raw).kind === 'item') count += 1;
      }
    }
  }
  const seconds = (performance.now() - started) / 1000;
  const rss = Math.round(process.memoryUsage().rss / 2 ** 20);
  const rate = Math.round(count / seconds).toLocaleString('en');
  console.log(
    `${path.extname(file).padEnd(7)} ${rate} lines/s, ${(bytes / 2 ** 20 / seconds).toFixed(0)} MiB/s, RSS ${rss} MiB`,
  );
}

const folder = await mkdtemp(path.join(os.tmpdir(), 'asg-bench-'));
try {
  const plain = path.join(folder, 'items.jsonl');
  await pipeline(lines, createWriteStream(plain));
  await measure(plain);
  await pipeline(lines, createGzip({ level: 1 }), createWriteStream(`${plain}.gz`));
  await measure(`${plain}.gz`);
  try {
    execFileSync('zstd', ['-q', plain]);
    await measure(`${plain}.zst`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    console.log('.zst    not measured: no zstd command here');
  }
} finally {
  await rm(folder, { recursive: true });
}
