/**
 * The plain program for the job: lines into a queue, a worker that submits, a delayed job per task, a worker that polls and
 * writes the row. No budget, no resumption, no guarantees; the options are what a user who knows BullMQ would choose.
 *   node bullmq.mjs <manifest> <out> <gateway url> <redis port> <lines>
 */
import { createWriteStream } from 'node:fs';
import { DelayedError, Queue, Worker } from 'bullmq';
import { POLL_MS } from '../lab/shared.mjs';
import { addLines, jobOptions } from './jobs.mjs';
import { linesOf, rowOf, undiciGateway } from './lines.mjs';

const [manifest, out, url, port, total] = process.argv.slice(2);
const CONCURRENCY = 100;
const connection = { host: '127.0.0.1', port: Number(port), maxRetriesPerRequest: null };

const gateway = undiciGateway(url, 2 * CONCURRENCY);
const submit = new Queue('submit', { connection });
const poll = new Queue('poll', { connection });
const rows = createWriteStream(out);
let left = Number(total);

async function submitLine({ data }) {
  const task = await gateway.submit(data);
  await poll.add('task', { ...data, task }, { ...jobOptions(`task-${data.line}`), delay: POLL_MS });
}

async function pollTask(job, token) {
  const result = await gateway.result(job.data.task);
  if (result === null) {
    await job.moveToDelayed(Date.now() + POLL_MS, token);
    throw new DelayedError();
  }
  rows.write(rowOf(job.data, result));
  left -= 1;
  if (left === 0) rows.end(() => process.exit(0));
}

const workers = [
  new Worker('submit', submitLine, { connection, concurrency: CONCURRENCY }),
  new Worker('poll', pollTask, { connection, concurrency: CONCURRENCY }),
];
for (const worker of workers) {
  worker.on('error', (error) => console.error(error.message));
  worker.on('failed', (_, error) => console.error(error.message));
}
await addLines(submit, linesOf(manifest));
