import { isDelivered } from '../config/escalation-condition.js';
import type { Settings } from '../config/index.js';
import { plus, type Range, whole } from '../lib/range.js';
import type { RunPolicy } from '../runs/record.js';
import { quantile } from '../runs/settle-times.js';
import type { Counted } from './count-lines.js';
import type { History, KnownRate } from './history.js';
import type { Plan } from './plan.js';
import { forecastPolling, meanSeconds } from './polling-forecast.js';
import type { Price } from './price.js';
import { costOfTasks, secondTasks } from './second-tasks.js';
import { partsOf, redisBytes } from './sizes.js';

/** This share of a given limit is used (`budget/script.ts`). */
const PACE = 0.982;
/** Error bounds of polls per label and of times, by their source. */
const LEARNED_ERROR = 0.1;
const AVERAGE_ERROR = 0.25;
const RATE_ERROR: Record<KnownRate['source'], number> = {
  flag: 0.02,
  command: 0.02,
  header: 0.05,
  search: 0.15,
  history: 0.3,
};

type Fields = Pick<
  Plan,
  | 'price_sats'
  | 'second_tasks'
  | 'cost_sats'
  | 'rate'
  | 'polls_per_label'
  | 'calls'
  | 'seconds'
  | 'redis_bytes'
  | 'parts'
  | 'content_key_saves'
>;

/** Cost, time and size of the tasks, as far as they are known. */
export async function outlookOf(
  counted: Omit<Counted, 'result' | 'rejectedByCode' | 'ended'>,
  settings: Settings,
  policy: RunPolicy,
  history: History,
  usage: Price | null,
): Promise<{ fields: Fields; remarks: string[] }> {
  const first = counted.tasks;
  const price = history.price ?? usage ?? flagPrice(settings.price);
  const second = secondTasks(settings, history.second, first, price);
  const tasks = second?.tasks ? plus(first, second.tasks) : first;
  const rate = rateOf(settings.rate, history.rate);
  const polling = await pollingOf(settings, policy, history, rate, tasks.expected);
  const callsPerLabel = polling === null ? null : spread(1 + polling.pollsPerLabel, polling.error);
  const calls =
    callsPerLabel === null
      ? null
      : whole({
          expected: tasks.expected * callsPerLabel.expected,
          low: tasks.low * callsPerLabel.low,
          high: tasks.high * callsPerLabel.high,
        });
  // The last lines that get a second task settle twice.
  const last = history.settle && Math.min(1, second?.tasks?.expected ?? 0) * meanSeconds(history.settle);
  const seconds = secondsOf(tasks, polling, rate, last ?? 0);
  const sizes = {
    lines: counted.lines.expected,
    tasks: first.expected,
    lineBytes: counted.valid.expected > 0 ? counted.validBytes.expected / counted.valid.expected : 0,
    seconds,
    inFlight: inFlightOf(history, rate),
  };
  const saves = counted.contentKeySaves;
  return {
    fields: {
      price_sats: { value: price === null ? null : round(price.value, 2), source: price?.source ?? null },
      second_tasks: second,
      cost_sats: price === null ? null : whole(costOfTasks(price, first, second)),
      rate: { value: rate === null ? null : round(rate.value, 2), source: rate?.source ?? null },
      polls_per_label: polling === null ? null : rounded(spread(polling.pollsPerLabel, polling.error), 2),
      calls,
      seconds: seconds === null ? null : whole(seconds),
      redis_bytes: redisBytes(policy, sizes),
      parts: partsOf(policy, sizes, counted.rejected.expected),
      content_key_saves:
        saves === null
          ? null
          : { tasks: saves, sats: price === null ? null : Math.round(saves * price.value) },
    },
    remarks: [
      ...remarksOf(price, rate, polling, history, settings),
      ...(second !== null && second.tasks === null
        ? [`how many lines --escalate asks again is unknown, so second tasks are not counted: ${PILOT}`]
        : []),
    ],
  };
}

const flagPrice = (value: number | null): Price | null =>
  value === null ? null : { value, source: 'flag', labels: 0, spread: 0 };

/** `asg-ingest rate <n>` outranks the flag, the flag what headers and the search say. */
function rateOf(flag: number | null, known: KnownRate | null): KnownRate | null {
  if (known?.source === 'command' || flag === null) return known;
  return { value: flag * PACE, source: 'flag' };
}

interface Polling {
  pollsPerLabel: number;
  /** Null: not known. */
  seconds: number | null;
  error: number;
}

async function pollingOf(
  settings: Settings,
  policy: RunPolicy,
  history: History,
  rate: KnownRate | null,
  tasks: number,
): Promise<Polling | null> {
  const { settle } = history;
  const whenSettled = settle === null ? 0 : quantile(settle, 1 - 1 / (1 + tasks)) / 1000;
  if (settings.webhookUrl !== null) {
    // After a delivery one call asks for the result. A trusted delivery needs none, if it has all fields. Lost
    // deliveries are rarely polled for.
    const { webhookTrust, escalate } = settings;
    const pollsPerLabel = webhookTrust && (escalate === null || isDelivered(escalate)) ? 0 : 1;
    const seconds = rate === null ? null : (tasks * (1 + pollsPerLabel)) / rate.value + whenSettled;
    return { pollsPerLabel, seconds, error: LEARNED_ERROR / 2 };
  }
  if (settle !== null && rate !== null) {
    const forecast = await forecastPolling(settle, policy, tasks, rate.value, settings.concurrency);
    return { ...forecast, error: LEARNED_ERROR };
  }
  const { pollsPerLabel } = history;
  if (pollsPerLabel === null) return null;
  const seconds = rate === null ? null : (tasks * (1 + pollsPerLabel)) / rate.value + whenSettled;
  return { pollsPerLabel, seconds, error: AVERAGE_ERROR };
}

/** More tasks take longer; the submission and the poll rate may both be off. */
function secondsOf(
  tasks: Range,
  polling: Polling | null,
  rate: KnownRate | null,
  last: number,
): Range | null {
  if (polling === null || polling.seconds === null || rate === null) return null;
  if (tasks.expected === 0) return { expected: 0, low: 0, high: 0 };
  const error = Math.hypot(polling.error, RATE_ERROR[rate.source]);
  const seconds = polling.seconds + last;
  return {
    expected: seconds,
    low: seconds * (tasks.low / tasks.expected) * (1 - error),
    high: seconds * (tasks.high / tasks.expected) * (1 + error),
  };
}

function inFlightOf({ settle }: History, rate: KnownRate | null): number | null {
  if (settle === null || rate === null) return null;
  // A result is collected a fifth later than it settles, by two calls for each label.
  return Math.ceil((rate.value / 2) * meanSeconds(settle) * 1.2);
}

const PILOT = 'run a pilot of a few hundred lines';

function remarksOf(
  price: Price | null,
  rate: KnownRate | null,
  polling: Polling | null,
  { live, settle }: History,
  settings: Settings,
): string[] {
  const remarks: string[] = [];
  if (price === null) remarks.push(`the price of a label is unknown: ${PILOT}, or give --price`);
  else if (settings.price !== null && price.source !== 'flag')
    remarks.push(
      `--price ${settings.price} is not taken: ${price.source === 'history' ? 'past runs tell' : 'the bill tells'}`,
    );
  if (rate === null)
    remarks.push(`the calls per second that are allowed are unknown: ${PILOT}, or give --rate`);
  if (polling === null) remarks.push(`how many polls a label takes is unknown: ${PILOT}`);
  else if (settle === null && settings.webhookUrl === null)
    remarks.push('polls per label are the average of past runs: none has kept its settle times');
  if (live > 0)
    remarks.push(
      `${live} other ${live === 1 ? 'run of this key shares' : 'runs of this key share'} its rate: this one will take longer`,
    );
  return remarks;
}

const spread = (value: number, error: number): Range => ({
  expected: value,
  low: value * (1 - error),
  high: value * (1 + error),
});
const round = (value: number, digits: number) => Number(value.toFixed(digits));
const rounded = ({ expected, low, high }: Range, digits: number): Range => ({
  expected: round(expected, digits),
  low: round(low, digits),
  high: round(high, digits),
});
