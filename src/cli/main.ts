#!/usr/bin/env node
import { cancel, pause, resume } from './commands/control.js';
import { doctor } from './commands/doctor.js';
import { account } from './commands/gateway/account.js';
import { batch } from './commands/gateway/batch.js';
import { billing } from './commands/gateway/billing.js';
import { job } from './commands/gateway/job.js';
import { task } from './commands/gateway/task.js';
import { webhook } from './commands/gateway/webhook.js';
import { produce } from './commands/produce.js';
import { rate } from './commands/rate.js';
import { results } from './commands/results.js';
import { retry } from './commands/retry.js';
import { run } from './commands/run.js';
import { runs } from './commands/runs.js';
import { sandbox } from './commands/sandbox.js';
import { status } from './commands/status.js';
import { work } from './commands/work.js';
import { main } from './program.js';

const commands = {
  run,
  produce,
  work,
  status,
  runs,
  pause,
  resume,
  cancel,
  retry,
  rate,
  results,
  doctor,
  sandbox,
  task,
  batch,
  job,
  webhook,
  account,
  billing,
};

const io = {
  stdout: process.stdout,
  stderr: process.stderr,
  stdin: process.stdin,
  env: process.env,
  cwd: process.cwd(),
};
// A reader that has seen enough (`results … | head`) is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
process.exitCode = await main(process.argv.slice(2), io, commands);
