/**
 * MB/s of reading a manifest from S3, down to parsed lines, against a bare GetObject stream that goes nowhere, in turn.
 *   npm run bench:read-s3 -- [MiB] [rounds]      (1024 2)
 */
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { createObjectStores } from '../src/lib/object-stores/index.js';
import { openManifest, parseLine, readLines } from '../src/manifest/index.js';
import { startS3Server } from '../test/setup/s3-server.js';
import { round } from './harness.js';

const [mib = 1024, rounds = 2] = process.argv.slice(2).map(Number);
const place = { bucket: 'bench-bucket', key: 'manifest.jsonl' };

Object.assign(process.env, {
  AWS_ACCESS_KEY_ID: 'bench',
  AWS_SECRET_ACCESS_KEY: 'bench',
  AWS_REGION: 'us-east-1',
});
const server = await startS3Server();
const objectStores = createObjectStores({ s3Endpoint: server.endpoint });
const client = new S3Client({ endpoint: server.endpoint, forcePathStyle: true });

async function* content() {
  for (let n = 0, bytes = 0; bytes < mib << 20; ) {
    const lines: string[] = [];
    for (let i = 0; i < 2_000; i += 1, n += 1)
      lines.push(
        JSON.stringify({
          data_url: `https://images.example.org/items/${n}.jpg`,
          metadata: { sku: `SKU-${n}`, shelf: n % 97 },
        }),
      );
    const chunk = Buffer.from(`${lines.join('\n')}\n`);
    bytes += chunk.length;
    yield chunk;
  }
}

async function timed(what: string, read: () => Promise<{ bytes: number; lines?: number }>): Promise<void> {
  const [began, cpu] = [performance.now(), process.cpuUsage()];
  const found = await read();
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  console.log({
    what,
    ...found,
    mb_per_second: round(found.bytes / 1e6 / seconds),
    cpu_seconds: round((user + system) / 1e6),
  });
}

async function bare() {
  const { Body } = await client.send(new GetObjectCommand({ Bucket: place.bucket, Key: place.key }));
  let bytes = 0;
  for await (const chunk of Body as AsyncIterable<Uint8Array>) bytes += chunk.length;
  return { bytes };
}

async function parsed(parse: boolean) {
  const { sources } = await openManifest(`s3://${place.bucket}/${place.key}`, { objectStores });
  let [bytes, lines] = [0, 0];
  for (const source of sources)
    for await (const batch of readLines(source, { line: 0, offset: 0 }, { objectStores }))
      for (const line of batch) {
        bytes += line.bytes;
        if (!parse || parseLine(line).kind === 'item') lines += 1;
      }
  return { bytes, lines };
}

try {
  await fetch(`${server.endpoint}/${place.bucket}`, { method: 'PUT' });
  await (await objectStores.of('s3')).write(place, content());
  for (let n = 0; n < rounds; n += 1) {
    await timed('bare GetObject', bare);
    await timed('lines', () => parsed(false));
    await timed('lines, parsed and checked', () => parsed(true));
  }
} finally {
  await objectStores.close();
  client.destroy();
  await server.close();
}
