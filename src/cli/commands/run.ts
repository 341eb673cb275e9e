import { plain } from '../../lib/terminal.js';
import type { Pipeline } from '../../pipeline/pipeline.js';
import type { followRun, RunOutcome, RunWatch } from '../../pipeline/run.js';
import type { PilotReport } from '../../plan/pilot/report.js';
import { isTemporaryError } from '../../redis/temporary-errors.js';
import { runKeys } from '../../runs/keys.js';
import type { RunSummary } from '../../runs/status.js';
import { examplesOf } from '../../runs/timeline.js';
import { openNotices } from '../notices.js';
import { manifestOptions, pipelineOptions, taskOptionNames } from '../option-groups.js';
import { formatPilot } from '../pilot-text.js';
import type { CommandContext, CommandDefinition } from '../program.js';
import { createProgress } from '../progress.js';
import { reportOtherConsumers } from '../report-other-consumers.js';
import { servePorts } from '../serve-ports.js';
import { createStopRules, onInterrupt, withPipeline } from '../session.js';
import { formatSummary, type SummaryExtra } from '../summary.js';

export const run: CommandDefinition = {
  name: 'run',
  describe: 'ingest a manifest: enqueue, submit, poll, write the results; the same command again resumes',
  args: [
    {
      name: 'manifest',
      describe: 'a path, - (standard input), file://, http(s)://; a trailing * or / takes all',
      required: true,
    },
  ],
  options: [...pipelineOptions, ...taskOptionNames, ...manifestOptions, 'pilot', 'json', 'quiet'],
  examples: [
    'asg-ingest run examples/animals.jsonl --sandbox --question "Which animal?" --options cat,dog,bird',
    'ASG_API_KEY=sk_live_… asg-ingest run items.jsonl --label-spec spec.json --out results/',
    'asg-ingest run items.jsonl --label-spec spec.json --pilot 300',
  ],
  run: (context) =>
    runAndReport(context, async (pipeline, watch) => {
      const { settings, args, io } = context;
      const { runManifest } = await import('../../pipeline/run.js');
      const outcome = await runManifest(pipeline, settings, args[0] ?? '', { cwd: io.cwd, ...watch });
      if (settings.pilot === null) return outcome;
      const { reportPilot } = await import('../../plan/pilot/report.js');
      return { ...outcome, pilot: await reportPilot(pipeline, settings, outcome.summary) };
    }),
};

/** The command for a shell; of standard input the run has to be named. */
function interruptedText({ commandLine, args, flags }: CommandContext, run: string | undefined): string {
  const named = args[0] === '-' && flags.runId === undefined && run !== undefined ? ` --run-id ${run}` : '';
  return `asg-ingest: interrupted; the same command again resumes where it stopped:\n  ${commandLine}${named}\n`;
}

type Follow = (
  pipeline: Parameters<typeof followRun>[0],
  watch: RunWatch & { signal: AbortSignal },
) => Promise<RunOutcome & { pilot?: PilotReport | null }>;

/** Shows progress while a run is followed, prints its summary, and gives its exit status. */
export async function runAndReport(context: CommandContext, follow: Follow): Promise<number> {
  const { settings, log, io } = context;
  const started = Date.now();
  const mode = settings.quiet ? 'quiet' : settings.json ? 'json' : io.stderr.isTTY ? 'live' : 'lines';
  const progress = await createProgress({ mode, stderr: io.stderr });
  let followed: string[] = [];
  const printInterrupted = () => void io.stderr.write(interruptedText(context, followed[0]));
  const stopRules = createStopRules(printInterrupted);
  const interrupt = onInterrupt((text) => progress.note(text), stopRules);
  const noteOtherConsumers = reportOtherConsumers((text) => progress.note(text));
  try {
    return await withPipeline(settings, log, async (pipeline) => {
      stopRules.opened(pipeline);
      const closePorts = await servePorts(pipeline, context, interrupt.signal);
      const notices = await openNotices(pipeline, settings, async () => followed);
      try {
        const outcome = await follow(pipeline, {
          signal: interrupt.signal,
          onStart: (record) => {
            followed = [record.id];
            progress.note(`run ${record.id} → ${record.out}`);
          },
          onStatus(status) {
            progress.update(status);
            noteOtherConsumers(status.processes);
          },
        });
        progress.stop();
        const elapsedMs = Date.now() - started;
        report(context, outcome, { elapsedMs, examples: await readExamples(pipeline, outcome.summary) });
        if (outcome.summary.ended_at !== null) return exitStatusOfRun(outcome);
        const status = interrupt.status();
        if (status !== null) printInterrupted();
        return status ?? exitStatusOfRun(outcome);
      } finally {
        await notices?.close();
        await closePorts();
      }
    });
  } catch (error) {
    const status = interrupt.status();
    // After an interrupt the command does not wait for Redis, which may refuse just then.
    if (status === null || (error !== interrupt.signal.reason && !isTemporaryError(error))) throw error;
    progress.stop();
    printInterrupted();
    return status;
  } finally {
    progress.stop();
    interrupt.end();
  }
}

function report(
  { settings, io }: CommandContext,
  { summary, out, blocked, pilot }: Awaited<ReturnType<Follow>>,
  extra: Pick<SummaryExtra, 'elapsedMs' | 'examples'>,
): void {
  const color = io.stdout.isTTY === true;
  const text = settings.json
    ? JSON.stringify(pilot === undefined ? summary : { ...summary, pilot }, null, 2)
    : formatSummary(summary, { out, color, ...extra });
  io.stdout.write(`${text}\n`);
  if (pilot && !settings.json) io.stdout.write(`${formatPilot(pilot, { color })}\n`);
  if (blocked) io.stderr.write(`asg-ingest: blocked (${blocked.reason}): ${plain(blocked.message)}\n`);
}

const exitStatusOfRun = ({ summary, blocked }: RunOutcome): number =>
  blocked ? 4 : summary.failed > 0 ? 3 : 0;

/** The first failures of each code; none where Redis has none: the summary does not need them. */
async function readExamples({ redis, prefix }: Pipeline, { run_id, failed }: RunSummary) {
  if (failed === 0) return {};
  return examplesOf(await redis.hgetall(runKeys(prefix, run_id).examples).catch(() => ({})));
}
