import type { Call, Endpoint, SandboxContext } from '../context.js';
import { failure, reply } from '../http.js';
import { consensusOf } from '../labels.js';

// The documentation gives neither; these are the local Gateway's own.
const PLATFORM_FEE = 0.1;
const USD_PER_SAT = 0.0006;

const DAY_MS = 86_400_000;

interface Sum {
  tasks: number;
  sats: number;
}

/** The cost of the customer's settled tasks, by day (`YYYY-MM-DD`, UTC), in order. */
function settledByDay({ store, options }: SandboxContext, { customer }: Call): [day: string, sum: Sum][] {
  const now = Date.now();
  const sums = new Map<number, Sum>();
  for (const task of store.tasks) {
    if (task.customer !== customer || task.settles > now) continue;
    const day = Math.floor(task.settles / DAY_MS);
    const sum = sums.get(day) ?? { tasks: 0, sats: 0 };
    sums.set(day, sum);
    sum.tasks += 1;
    sum.sats += consensusOf(options.seed, task).costSats;
  }
  const byDay = [...sums].sort(([a], [b]) => a - b);
  return byDay.map(([day, sum]) => [new Date(day * DAY_MS).toISOString().slice(0, 10), sum]);
}

function total(days: [day: string, sum: Sum][]): Sum {
  const sum = { tasks: 0, sats: 0 };
  for (const [, { tasks, sats }] of days) {
    sum.tasks += tasks;
    sum.sats += sats;
  }
  return sum;
}

const thisMonth = () => new Date().toISOString().slice(0, 7);

export const getUsage: Endpoint = (world, call) => {
  const month = new URLSearchParams(call.search).get('month') ?? thisMonth();
  if (!/^\d{4}-(0[1-9]|1[0-2])$/.test(month)) return failure(400, 'month must be YYYY-MM');
  const days = settledByDay(world, call).filter(([day]) => day.startsWith(month));
  const { tasks, sats } = total(days);
  const fee = Math.round(sats * PLATFORM_FEE);
  return reply(200, {
    customer_id: call.customer.id,
    month,
    tier: call.customer.tier,
    tasks_settled: tasks,
    total_cost_sats: sats,
    total_cost_usd_estimate: Math.round(sats * USD_PER_SAT * 100) / 100,
    worker_payouts_sats: sats - fee,
    platform_fee_sats: fee,
    daily_breakdown: days.map(([date, sum]) => ({ date, tasks: sum.tasks, cost_sats: sum.sats })),
  });
};

export const getInvoices: Endpoint = (world, call) => {
  const days = settledByDay(world, call);
  const months = [...new Set(days.map(([day]) => day.slice(0, 7)))];
  const invoices = months.map((month) => {
    const { tasks, sats } = total(days.filter(([day]) => day.startsWith(month)));
    const status = month === thisMonth() ? 'open' : 'paid';
    return { month, status, tasks_settled: tasks, total_cost_sats: sats };
  });
  return reply(200, { invoices });
};
