import { number, signed, span } from '../lib/format.js';
import type { RunForecast } from '../runs/forecast.js';
import { ranged } from './range-text.js';

type Fact = [name: string, value: string];

const moment = (iso: string) => `${iso.slice(0, 16).replace('T', ' ')} UTC`;

/** How a run will end, one line for each fact. Unknown facts are left out, except the end. */
export function forecastFacts(forecast: RunForecast | null): Fact[] {
  if (forecast === null) return [];
  const { expected, planned, unknown } = forecast;
  if (expected === null) return overPlan(forecast).map((text): Fact => ['against plan', text]);
  const { cost_sats: cost, calls, ends_at: end, seconds_left: left } = expected;
  const facts: (Fact | null)[] = [
    cost && ['cost in all', `${ranged(cost, number)} sats`],
    calls && ['calls in all', ranged(calls, number)],
    end === null || left === null
      ? ['ends', unknown === null ? 'unknown yet' : `unknown yet: ${unknown}`]
      : ['ends', `${moment(end)}, in ${ranged(left, span)}`],
    planned && ['planned', plannedText(planned)],
    ...lateFact(forecast),
  ];
  return facts.filter((fact) => fact !== null);
}

const plannedText = ({ by, at, cost_sats: cost, seconds }: NonNullable<RunForecast['planned']>) =>
  [
    cost && `${number(cost.expected)} sats`,
    seconds && span(seconds.expected),
    `by ${by === 'run' ? 'the run itself' : by === 'pilot' ? 'a pilot' : '`plan`'} at ${moment(at)}`,
  ]
    .filter(Boolean)
    .join(', ');

function lateFact({ finish_by: by }: RunForecast): Fact[] {
  if (by === null) return [];
  return [
    ['finish by', by.message ?? `${moment(by.time)}: ${by.kept === null ? 'unknown yet' : 'will be kept'}`],
  ];
}

/** How far off the plan was, once the run has ended: one text, or none. */
export function overPlan({ off, planned }: RunForecast): string[] {
  if (off === null || planned === null) return [];
  const parts = [
    ['cost', off.cost_sats],
    ['calls', off.calls],
    ['time', off.seconds],
  ] as const;
  const known = parts.flatMap(([name, share]) => (share === null ? [] : [`${name} ${signed(share)}`]));
  const by =
    planned.by === 'run'
      ? "the run's first forecast"
      : planned.by === 'pilot'
        ? "the pilot's forecast"
        : '`plan`';
  return known.length === 0 ? [] : [`${known.join(', ')} (forecast by ${by})`];
}
