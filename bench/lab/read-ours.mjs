/** What `run` reads a manifest with, alone: node read-ours.mjs <manifest>. Prints the count of lines and the seconds. */
import { openManifest, parseLine, readLines } from '../../dist/manifest/index.js';

const began = performance.now();
const { sources } = await openManifest(process.argv[2]);
let lines = 0;
for (const source of sources)
  for await (const batch of readLines(source, { line: 0, offset: 0 }))
    for (const raw of batch) if (parseLine(raw).kind === 'item') lines += 1;
console.log(JSON.stringify({ lines, seconds: (performance.now() - began) / 1000 }));
