/**
 * What polls cost: `npm run bench:polls`. First the plans that are made of 1,000 settle times, held against 20,000
 * others. Then whole runs on virtual time, with the pipeline's own functions: 100,000 lines through a budget of
 * 200 calls/s, half for polls while both kinds want them.
 */
import { nextPollMs } from '../src/polling/documented.js';
import { choosePlan, costOf } from '../src/polling/plan.js';
import { createPolls } from '../src/polling/polls.js';
import { quantile, type SettleTimes } from '../src/polling/settle-times.js';
import type { RunReading } from '../src/runs/read-status.js';
import type { RunPolicy } from '../src/runs/record.js';
import {
  DISTRIBUTIONS,
  type DistributionName,
  draw,
  exactly,
  learned,
} from '../test/polling/distributions.js';
import { round } from './harness.js';

const GAPS = { leastMs: 5_000, greatestMs: 60_000 };
const NAMES = Object.keys(DISTRIBUTIONS) as DistributionName[];
const documented = (ageMs: number) =>
  nextPollMs(ageMs, { delayMs: GAPS.leastMs, maxDelayMs: GAPS.greatestMs });

function plans(name: DistributionName) {
  const truth = exactly(draw(name, 20_000, `${name} truth`));
  const rows = (['scarce', 'spare'] as const).map((price) => {
    const plan = choosePlan(learned(draw(name, 1_000)), price, GAPS);
    const cost = costOf(plan, truth, GAPS);
    return {
      schedule: `auto, ${price}: ${round(plan.firstMs / 1000)} s, × ${plan.factor}`,
      polls_per_label: round(cost.pollsPerLabel, 2),
      best_as_early: round(best(truth, price, cost.latenessMs, cost.medianShare), 2),
      median_lateness: `${round(cost.medianShare * 100)}%`,
      mean_lateness_s: round(cost.latenessMs / 1000),
    };
  });
  console.log(`\n${name}: documented ${round(documentedPolls(truth), 2)} polls per label`);
  console.table(rows);
}

function best(
  truth: SettleTimes,
  price: 'scarce' | 'spare',
  latenessMs: number,
  medianShare: number,
): number {
  let least = Number.POSITIVE_INFINITY;
  for (let share = 0.02; share < 1; share += 0.02)
    for (let factor = 1.1; factor <= 3; factor += 0.1) {
      const other = costOf({ firstMs: quantile(truth, share), factor }, truth, GAPS);
      const asEarly = price === 'scarce' ? other.latenessMs <= latenessMs : other.medianShare <= medianShare;
      if (asEarly) least = Math.min(least, other.pollsPerLabel);
    }
  return least;
}

function documentedPolls({ times, total }: SettleTimes): number {
  let polls = 0;
  for (const { ms } of times) for (let age = 0; age < ms; age += documented(age)) polls += 1;
  return polls / total;
}

interface Task {
  at: number;
  settles: number;
}

/** A run by the millisecond of its budget: the next free slot goes to the kind whose turn it is, if it wants one. */
async function wholeRun(name: DistributionName, mode: 'auto' | 'fixed', lines = 100_000, perSecond = 200) {
  const times = draw(name, lines);
  const bins = new Map<number, number>();
  let now = 0;
  const policy = {
    poll: mode,
    pollDelayMs: GAPS.leastMs,
    pollMaxDelayMs: GAPS.greatestMs,
    maxInFlight: 100_000,
  } as RunPolicy;
  const polls = createPolls({
    policy,
    concurrency: 200,
    now: () => now,
    async learn(counts) {
      for (const [bin, count] of counts) bins.set(bin, (bins.get(bin) ?? 0) + count);
      return bins;
    },
  });
  /** Polls by the second they are due in. */
  const due = new Map<number, Task[]>();
  const later = (task: Task, ms: number) => {
    const second = Math.max(Math.ceil((now + ms) / 1000), Math.floor(now / 1000) + 1);
    due.set(second, [...(due.get(second) ?? []), task]);
  };
  let [submitted, collected, polled, lateSum, lastSettled] = [0, 0, 0, 0, 0];
  const ready: Task[] = [];
  for (let second = 0; collected < lines; second += 1) {
    now = second * 1000;
    ready.push(...(due.get(second) ?? []));
    due.delete(second);
    let slots = perSecond;
    const take = (task: Task) => {
      polled += 1;
      slots -= 1;
      if (task.settles > now) return later(task, polls.nextMs(now - task.at));
      collected += 1;
      lateSum += now - task.settles;
      const at = (ms: number) => new Date(1e12 + ms).toISOString();
      polls.settled(
        { task_id: '', status: 'settled', created_at: at(task.at), settled_at: at(task.settles) } as never,
        now - task.at,
      );
    };
    for (const task of ready.splice(0, submitted < lines ? perSecond / 2 : perSecond)) take(task);
    for (; slots > 0 && submitted < lines; slots -= 1, submitted += 1) {
      const task = { at: now, settles: now + (times[submitted] ?? 0) };
      lastSettled = Math.max(lastSettled, task.settles);
      later(task, polls.nextMs(0));
    }
    for (const task of ready.splice(0, Math.max(0, slots))) take(task);
    await polls.look({
      record: { policy, startedAt: new Date(0).toISOString() },
      status: { produced: submitted === lines, queued: lines - submitted, in_flight: submitted - collected },
    } as RunReading);
  }
  return {
    mode,
    seconds: now / 1000,
    polls_per_label: round(polled / lines, 2),
    mean_lateness_s: round(lateSum / lines / 1000),
    end_after_last_settled_s: round((now - lastSettled) / 1000),
  };
}

for (const name of NAMES) plans(name);
for (const name of NAMES.slice(0, 2)) {
  console.log(`\nwhole run of 100,000 lines at 200 calls/s: ${name}`);
  console.table([await wholeRun(name, 'fixed'), await wholeRun(name, 'auto')]);
}
