import type { Settings } from '../../config/index.js';
import type { ObjectStores } from '../../lib/object-stores/index.js';
import { exactly, plus, type Range, whole, within } from '../../lib/range.js';
import type { RedisClient } from '../../redis/connection.js';
import { readRows } from '../../results/read-rows.js';
import type { ResultRow } from '../../results/rows.js';
import { openSink, parsePartName, type Sink } from '../../results/sink.js';
import { runKeys } from '../../runs/keys.js';
import { chosenLines, manifestLines } from '../../runs/pilot-lines.js';
import { loadRun, type RunRecord } from '../../runs/record.js';
import type { RunSummary } from '../../runs/status.js';
import { outlookOf } from '../figures.js';
import { rememberPlan } from '../forecast/known.js';
import { readHistory } from '../history.js';
import type { Plan } from '../plan.js';
import { costOfTasks, secondTasks } from '../second-tasks.js';
import { createPilotStatistics, type PilotFigures } from './statistics.js';

/** A pilot's forecast for the rest of its manifest. Field names are public. */
export interface PilotReport extends PilotFigures {
  /** The run that goes on with the rest. */
  of: string;
  /** The lines of the pilot, and of the whole manifest, without blank lines. */
  lines: number;
  manifest_lines: number;
  rest: PilotForecast;
  remarks: string[];
}

/** The lines that the pilot left. `calls` and `seconds` include the pilot's lines and its gold lines once more, which is free. */
export interface PilotForecast
  extends Pick<Plan, 'second_tasks' | 'cost_sats' | 'rate' | 'polls_per_label' | 'calls' | 'seconds'> {
  lines: number;
  tasks: Range;
}

/** The place of the pilot's record and its parts. */
export interface PilotPlace {
  redis: RedisClient;
  prefix: string;
  objectStores: ObjectStores;
  openSink?: (out: string) => Sink;
}

/** Null when the pilot has not ended, or its record is gone. */
export async function reportPilot(
  place: PilotPlace,
  settings: Settings,
  summary: RunSummary,
): Promise<PilotReport | null> {
  const { redis, prefix, objectStores } = place;
  const record = await loadRun(redis, prefix, summary.run_id);
  const chosen = record?.manifest.chosen;
  if (record?.pilot === undefined || chosen === undefined || summary.ended_at === null) return null;
  const statistics = createPilotStatistics();
  let bytes = 0;
  const sink = place.openSink?.(record.out) ?? openSink(record.out, objectStores);
  for (const { name } of summary.parts) {
    if (parsePartName(name)?.kind !== 'results') continue;
    for await (const row of readRows(sink, name)) {
      const line = JSON.parse(row) as ResultRow;
      // The user chose the gold lines, so they tell nothing about the manifest.
      if (line.gold != null) continue;
      statistics.add(line);
      bytes += row.length;
    }
  }
  const { figures, price } = statistics.summarize(weightsOf(record, chosen.lines));
  const history = await readHistory(redis, prefix, {
    gateway: record.gateway,
    keyFingerprint: record.keyFingerprint,
    task: record.task,
    runId: record.pilot.of,
  });
  const [lines, all] = [chosenLines(chosen), manifestLines(chosen)];
  const own = ownLines(summary);
  const tasks = (of: number) => settling(own, of);
  const rest = tasks(all - lines);
  const counted = {
    lines: within(all, 0),
    valid: tasks(all),
    rejected: within(Math.max(0, all - tasks(all).expected), 0),
    validBytes: within(own.settled > 0 ? (bytes / own.settled) * all : 0, 0),
    tasks: plus(tasks(all), exactly(record.manifest.gold?.lines ?? 0)),
    unchanged: 0,
    contentKeySaves: null,
  };
  const { fields, remarks } = await outlookOf(counted, settings, record.policy, { ...history, price }, null);
  const { cost_sats, calls, seconds } = fields;
  const planned = { by: 'pilot', at: new Date().toISOString(), cost_sats, calls, seconds } as const;
  await rememberPlan(redis, runKeys(prefix, record.pilot.of), planned);
  const second = secondTasks(settings, history.second, rest, price);
  return {
    of: record.pilot.of,
    lines,
    manifest_lines: all,
    ...figures,
    rest: {
      lines: all - lines,
      tasks: whole(rest),
      second_tasks: second,
      cost_sats: price === null ? null : whole(costOfTasks(price, rest, second)),
      rate: fields.rate,
      polls_per_label: fields.polls_per_label,
      calls: fields.calls,
      seconds: fields.seconds,
    },
    remarks: [...remarks, ...sharedKeys(record)],
  };
}

/** Lines of each source, by the name that it has in the results. */
function weightsOf({ manifest: { sources: named, gold } }: RunRecord, lines: readonly number[]) {
  const sources = named.slice(0, gold?.source);
  return new Map(sources.map((name, source) => [sources.length > 1 ? name : null, lines[source] ?? 0]));
}

/** How the manifest's lines ended, without the gold ones. */
function ownLines({ settled, failed, gold }: RunSummary): Pick<RunSummary, 'settled' | 'failed'> {
  if (gold === null) return { settled, failed };
  return { settled: settled - gold.agreed - gold.disagreed, failed: failed - gold.failed };
}

/**
 * The share that settles is the share so far: two standard errors; when none failed, up to three may have been missed.
 */
function settling({ settled, failed }: Pick<RunSummary, 'settled' | 'failed'>, lines: number): Range {
  const seen = settled + failed;
  const share = seen > 0 ? settled / seen : 1;
  const error = 2 * Math.sqrt((share * (1 - share)) / Math.max(1, seen));
  const unseen = failed === 0 ? 3 / Math.max(1, seen) : 0;
  return {
    expected: lines * share,
    low: lines * Math.max(0, share - error - unseen),
    high: lines * Math.min(1, share + error),
  };
}

const sharedKeys = ({ task }: RunRecord) =>
  task.key === 'line'
    ? []
    : [
        'lines of the rest that share a key with others are counted as tasks of their own: there may be fewer',
      ];
