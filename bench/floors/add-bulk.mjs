/** Lines into a BullMQ queue, a job each, and nothing else; the lines come from memory: node add-bulk.mjs <lines> <redis port> */
import { Queue } from 'bullmq';
import { lineOf } from '../lab/shared.mjs';
import { addLines } from './jobs.mjs';

const [lines, port] = process.argv.slice(2).map(Number);

function* made() {
  for (let line = 1; line <= lines; line += 1) yield { line, ...lineOf(line) };
}

const queue = new Queue('submit', { connection: { host: '127.0.0.1', port } });
await addLines(queue, made());
await queue.close();
