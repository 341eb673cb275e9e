/**
 * What polls cost: `npm run bench:polls [-- simulated | real]`. First the plans that are made of 1,000 settle times,
 * held against 20,000 others. Then whole runs on virtual time, with the pipeline's own functions. Then the built
 * package against a local Gateway.
 */
import { nextPollMs } from '../src/consumers/poll-schedule/documented-schedule.js';
import { choosePlan, costOf } from '../src/consumers/poll-schedule/plan.js';
import { quantile, type SettleTimes } from '../src/runs/settle-times.js';
import {
  DISTRIBUTIONS,
  type DistributionName,
  draw,
  exactly,
  learned,
  WORKLOADS,
  type WorkloadName,
} from '../test/consumers/poll-schedule/distributions.js';
import { simulateRun } from '../test/consumers/poll-schedule/simulated-run.js';
import { cleanUp, cli, manifest, remoteGateway, round, TASK } from './harness.js';

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

/** A burst has everything submitted before anything is known. */
const BUDGETS = {
  scarce: { lines: 24_000, perSecond: 120 },
  spare: { lines: 12_000, perSecond: 500, feedPerSecond: 40 },
  'a window of 5,000': { lines: 24_000, perSecond: 120, maxInFlight: 5_000 },
  burst: { lines: 12_000, perSecond: 6_000 },
};
type BudgetName = keyof typeof BUDGETS;

async function wholeRun(name: WorkloadName, budget: BudgetName, poll: 'auto' | 'fixed') {
  const { lines, ...rest } = BUDGETS[budget];
  const run = await simulateRun({ times: draw(name, lines), poll, ...rest });
  return {
    budget,
    poll,
    polls_per_label: round(run.pollsPerLabel, 2),
    median_lateness: `${round(run.medianShare * 100)}%`,
    mean_lateness_s: round(run.lateness),
    collected_99_s: round(run.nearlyAll),
    end_after_last_settled_s: round(run.stretch),
    slept_on: round(run.slept, 2),
  };
}

/** The built package, with times of a twentieth. Spare: a small window holds submissions back, not the budget. */
async function realRun(poll: 'auto' | 'fixed', budget: 'scarce' | 'spare') {
  const gateway = await remoteGateway();
  const settle = { medianMs: 1_500, p99Ms: 15_000 };
  await fetch(`${gateway.url}/__sandbox/set`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ settle }),
  });
  const lines = budget === 'scarce' ? 8_000 : 1_500;
  const window = budget === 'scarce' ? '20000' : '100';
  const began = performance.now();
  const { exit } = cli(
    ...['run', await manifest(lines), '--gateway-url', gateway.url, '--out', `out-${poll}-${budget}`],
    ...['--run-id', `${poll}-${budget}`, '--json', '--quiet', ...TASK, '--rate', '300', '--poll', poll],
    ...['--poll-delay', '250ms', '--poll-max-delay', '3s', '--max-in-flight', window],
  );
  const { status, stdout } = await exit;
  const { settled, polls_per_label } = JSON.parse(stdout) as Record<string, number>;
  return {
    budget,
    poll,
    status,
    settled,
    polls_per_label,
    seconds: round((performance.now() - began) / 1000),
  };
}

const [what] = process.argv.slice(2);
try {
  if (what !== 'real') {
    for (const name of NAMES) plans(name);
    for (const name of Object.keys(WORKLOADS) as WorkloadName[]) {
      console.log(`\nwhole runs: ${name}`);
      const rows = [];
      for (const budget of Object.keys(BUDGETS) as BudgetName[])
        for (const poll of ['fixed', 'auto'] as const) rows.push(await wholeRun(name, budget, poll));
      console.table(rows);
    }
  }
  if (what !== 'simulated') {
    console.log('\nthe built package: 300 calls/s, lognormal, median 1.5 s, p99 15 s');
    for (const budget of ['scarce', 'spare'] as const)
      console.table(await Promise.all([realRun('fixed', budget), realRun('auto', budget)]));
  }
} finally {
  await cleanUp();
}
