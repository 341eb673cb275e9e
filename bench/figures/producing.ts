/** Lines into Redis, start-up included, and what each takes there while all wait. */
import { inLab, manifestOf } from '../lab/lab.js';
import { runArgs, startFloor, startOurs, succeeded } from '../lab/program.js';
import { usedMemory } from '../lab/redis-figures.js';

export interface Producing {
  lines_per_s: number;
  bytes_per_waiting_line: number;
}

export async function producing(contender: 'add_bulk' | 'ours', lines: number): Promise<Producing> {
  const { file } = await manifestOf(lines);
  return await inLab({}, async (lab) => {
    const before = await usedMemory(lab.redis);
    const program =
      contender === 'ours'
        ? startOurs(lab, [...runArgs('produce', file), '--max-queued', `${lines * 2}`])
        : startFloor(lab, 'add-bulk', lines, lab.redisPort);
    const { seconds } = await succeeded(program);
    const bytes = (await usedMemory(lab.redis)) - before;
    return { lines_per_s: lines / seconds, bytes_per_waiting_line: bytes / lines };
  });
}
