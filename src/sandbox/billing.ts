import { outcomeOf } from './labels.js';
import type { Call, Reply, World } from './routes.js';

const PLATFORM_FEE = 0.1;
const USD_PER_SAT = 0.0006;

interface Settled {
  day: string;
  sats: number;
}

const settledOf = ({ store, options }: World, { customer }: Call): Settled[] =>
  [...store.tasks.values()]
    .filter((task) => task.customer === customer.customer_id && task.settles <= Date.now())
    .map((task) => ({
      day: new Date(task.settles).toISOString().slice(0, 10),
      sats: outcomeOf(options.seed, task.data_url, task.question, task.options, task.threshold).cost_sats,
    }));

const sum = (settled: Settled[]) => settled.reduce((total, { sats }) => total + sats, 0);

const byDay = (settled: Settled[]) =>
  [...new Set(settled.map(({ day }) => day))].sort().map((date) => {
    const ofDay = settled.filter(({ day }) => day === date);
    return { date, tasks: ofDay.length, cost_sats: sum(ofDay) };
  });

/** What was settled, by month. Fees and the dollar estimate are the local Gateway's own inventions. */
export const billing = {
  usage(world: World, call: Call): Reply {
    const month = call.query.get('month') ?? new Date().toISOString().slice(0, 7);
    if (!/^\d{4}-(0[1-9]|1[0-2])$/.test(month))
      return { status: 400, body: { error: 'month must be YYYY-MM' } };
    const settled = settledOf(world, call).filter(({ day }) => day.startsWith(month));
    const total = sum(settled);
    const fee = Math.round(total * PLATFORM_FEE);
    const body = {
      customer_id: call.customer.customer_id,
      month,
      tier: 'sandbox',
      tasks_settled: settled.length,
      total_cost_sats: total,
      total_cost_usd_estimate: Number((total * USD_PER_SAT).toFixed(2)),
      worker_payouts_sats: total - fee,
      platform_fee_sats: fee,
      daily_breakdown: byDay(settled),
    };
    return { status: 200, body };
  },
  invoices(world: World, call: Call): Reply {
    const settled = settledOf(world, call);
    const months = [...new Set(settled.map(({ day }) => day.slice(0, 7)))].sort();
    const invoices = months.map((month) => ({
      month,
      status: 'open',
      total_cost_sats: sum(settled.filter(({ day }) => day.startsWith(month))),
    }));
    return { status: 200, body: { invoices } };
  },
};
