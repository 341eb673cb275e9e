/** Each line from submission to row in one async loop, `width` at a time, nothing kept anywhere but in memory. */
import { createWriteStream } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { POLL_MS } from '../lab/shared.mjs';
import { linesOf, rowOf } from './lines.mjs';

export async function loop({ submit, result }, width, manifest, out) {
  const rows = createWriteStream(out);
  const lines = linesOf(manifest);
  const worker = async () => {
    for await (const line of lines) {
      const task = await submit(line);
      let settled = null;
      while (settled === null) {
        await sleep(POLL_MS);
        settled = await result(task);
      }
      rows.write(rowOf(line, settled));
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
  await new Promise((resolve) => rows.end(resolve));
  process.exit(0);
}
