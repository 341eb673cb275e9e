import type { PilotReport } from '../../pilot/report.js';
import { isWeather } from '../../redis/weather.js';
import type { followRun, RunOutcome, RunWatch } from '../../run.js';
import { plain } from '../../terminal.js';
import { openNotices } from '../notices.js';
import { manifestOptions, pipelineOptions, taskOptionNames } from '../option-groups.js';
import { formatPilot } from '../pilot-text.js';
import type { CommandContext, CommandDefinition } from '../program.js';
import { createProgress } from '../progress.js';
import { servePorts } from '../serve-ports.js';
import { onInterrupt, withPipeline } from '../session.js';
import { formatSummary } from '../summary.js';

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
      const { runManifest } = await import('../../run.js');
      const outcome = await runManifest(pipeline, settings, args[0] ?? '', { cwd: io.cwd, ...watch });
      if (settings.pilot === null) return outcome;
      const { reportPilot } = await import('../../pilot/report.js');
      return { ...outcome, pilot: await reportPilot(pipeline, settings, outcome.summary) };
    }),
};

const INTERRUPTED = 'asg-ingest: interrupted; the same command again resumes where it stopped\n';

type Follow = (
  pipeline: Parameters<typeof followRun>[0],
  watch: RunWatch & { signal: AbortSignal },
) => Promise<RunOutcome & { pilot?: PilotReport | null }>;

/** Shows progress while a run is followed, prints its summary, and gives its exit status. */
export async function runAndReport(context: CommandContext, follow: Follow): Promise<number> {
  const { settings, log, io } = context;
  const started = Date.now();
  const mode = settings.quiet ? 'quiet' : settings.json ? 'json' : io.stderr.isTTY ? 'live' : 'lines';
  const progress = createProgress({ mode, stderr: io.stderr });
  const interrupt = onInterrupt((text) => progress.note(text));
  try {
    return await withPipeline(settings, log, async (pipeline) => {
      const closePorts = await servePorts(pipeline, context, interrupt.signal);
      let followed: string[] = [];
      const notices = await openNotices(pipeline, settings, async () => followed);
      try {
        const outcome = await follow(pipeline, {
          signal: interrupt.signal,
          onStart: (record) => {
            followed = [record.id];
            progress.note(`run ${record.id} → ${record.out}`);
          },
          onStatus: (status) => progress.update(status),
        });
        progress.stop();
        return report(context, outcome, Date.now() - started, interrupt.status());
      } finally {
        await notices?.close();
        await closePorts();
      }
    });
  } catch (error) {
    const status = interrupt.status();
    // Redis may refuse just then: what was interrupted is not waited for.
    if (status === null || (error !== interrupt.signal.reason && !isWeather(error))) throw error;
    progress.stop();
    io.stderr.write(INTERRUPTED);
    return status;
  } finally {
    progress.stop();
    interrupt.end();
  }
}

function report(
  { settings, io }: CommandContext,
  outcome: Awaited<ReturnType<Follow>>,
  elapsedMs: number,
  interrupted: number | null,
): number {
  const { summary, out, blocked, pilot } = outcome;
  const color = io.stdout.isTTY === true;
  const text = settings.json
    ? JSON.stringify(pilot === undefined ? summary : { ...summary, pilot }, null, 2)
    : formatSummary(summary, { out, elapsedMs, color });
  io.stdout.write(`${text}\n`);
  if (pilot && !settings.json) io.stdout.write(`${formatPilot(pilot, { color })}\n`);
  if (blocked) io.stderr.write(`asg-ingest: blocked (${blocked.reason}): ${plain(blocked.message)}\n`);
  if (summary.ended_at === null && interrupted !== null) {
    io.stderr.write(INTERRUPTED);
    return interrupted;
  }
  if (blocked) return 4;
  return summary.failed > 0 ? 3 : 0;
}
