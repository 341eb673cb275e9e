/** Reading and parsing a manifest: `split2` with `JSON.parse`, and ours with its checks and byte offsets. */

import { fileURLToPath } from 'node:url';
import { inLab, manifestOf } from '../lab/lab.js';
import { DIST, start, startFloor, succeeded } from '../lab/program.js';

const OURS = fileURLToPath(new URL('../lab/read-ours.mjs', import.meta.url));

export async function reading(contender: 'split2' | 'ours', lines: number): Promise<{ lines_per_s: number }> {
  const { file } = await manifestOf(lines);
  return await inLab({}, async (lab) => {
    const program = contender === 'ours' ? start(lab, [OURS, DIST, file]) : startFloor(lab, 'split2', file);
    const read = JSON.parse((await succeeded(program)).stdout) as { lines: number; seconds: number };
    if (read.lines !== lines) throw new Error(`${contender} read ${read.lines} of ${lines} lines`);
    return { lines_per_s: lines / read.seconds };
  });
}
