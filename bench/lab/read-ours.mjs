/** What `run` reads a manifest with, alone: node read-ours.mjs <dist> <manifest>. Prints the count of lines and the seconds. */
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const [dist, manifest] = process.argv.slice(2);
const built = pathToFileURL(path.join(dist, 'manifest', 'index.js')).href;
const { openManifest, parseLine, readLines } = await import(built);

const began = performance.now();
const { sources } = await openManifest(manifest);
let lines = 0;
for (const source of sources)
  for await (const batch of readLines(source, { line: 0, offset: 0 }))
    for (const raw of batch) if (parseLine(raw).kind === 'item') lines += 1;
console.log(JSON.stringify({ lines, seconds: (performance.now() - began) / 1000 }));
