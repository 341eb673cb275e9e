#!/usr/bin/env node
import { dropEmpty } from '../config/environment.js';
import { keepHeapSmall } from './heap.js';
import type { CommandDefinition } from './program.js';

dropEmpty(process.env);

/** The module of each command: only the called one is loaded, all of them for `--help`. */
const commands: Record<string, () => Promise<CommandDefinition>> = {
  run: async () => (await import('./commands/run.js')).run,
  plan: async () => (await import('./commands/plan.js')).plan,
  produce: async () => (await import('./commands/produce.js')).produce,
  work: async () => (await import('./commands/work.js')).work,
  status: async () => (await import('./commands/status.js')).status,
  runs: async () => (await import('./commands/runs.js')).runs,
  pause: async () => (await import('./commands/control.js')).pause,
  resume: async () => (await import('./commands/control.js')).resume,
  cancel: async () => (await import('./commands/control.js')).cancel,
  retry: async () => (await import('./commands/retry.js')).retry,
  tune: async () => (await import('./commands/tune.js')).tune,
  rekey: async () => (await import('./commands/rekey.js')).rekey,
  rate: async () => (await import('./commands/rate.js')).rate,
  parts: async () => (await import('./commands/parts.js')).parts,
  results: async () => (await import('./commands/results.js')).results,
  report: async () => (await import('./commands/report.js')).report,
  doctor: async () => (await import('./commands/doctor.js')).doctor,
  sandbox: async () => (await import('./commands/sandbox.js')).sandbox,
  task: async () => (await import('./commands/gateway/task.js')).task,
  batch: async () => (await import('./commands/gateway/batch.js')).batch,
  job: async () => (await import('./commands/gateway/job.js')).job,
  webhook: async () => (await import('./commands/gateway/webhook.js')).webhook,
  account: async () => (await import('./commands/gateway/account.js')).account,
  billing: async () => (await import('./commands/gateway/billing.js')).billing,
};

/** How long what is being closed may take after the command's end. */
const LEAVE_MS = 2_000;

/** Handles that still keep the process alive have no work left: a dead connection, or an idle BullMQ worker. */
function leave(): void {
  setTimeout(() => (process.stdout.writableLength > 0 ? leave() : process.exit()), LEAVE_MS).unref();
}

const io = {
  stdout: process.stdout,
  stderr: process.stderr,
  stdin: process.stdin,
  env: process.env,
  cwd: process.cwd(),
};
// A reader that has seen enough (`results … | head`) is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
const argv = process.argv.slice(2);
if (argv.length === 1 && (argv[0] === '--version' || argv[0] === '-V')) {
  // Scripts often ask for the version, so nothing else is loaded for it.
  const { VERSION } = await import('../lib/version.js');
  process.stdout.write(`${VERSION}\n`);
} else {
  const [called = ''] = argv;
  const wanted = Object.entries(commands).filter(
    ([name]) => name === called || !Object.hasOwn(commands, called),
  );
  const [{ main }, ...loaded] = await Promise.all([
    import('./program.js'),
    ...wanted.map(async ([name, load]) => [name, await load()] as const),
  ]);
  keepHeapSmall();
  process.exitCode = await main(argv, io, Object.fromEntries(loaded));
  leave();
}
