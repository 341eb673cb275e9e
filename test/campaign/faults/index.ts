import type { Fault } from './fault.js';
import { gatewayFaults } from './gateway.js';
import { processFaults } from './processes.js';
import { clockFaults, redisFaults } from './redis.js';
import { controlFaults, sinkFaults, sourceFaults } from './surroundings.js';

export type { Fault } from './fault.js';

const ALL = [
  ...processFaults,
  ...redisFaults,
  ...gatewayFaults,
  ...sourceFaults,
  ...sinkFaults,
  ...controlFaults,
];

export interface FaultChoice {
  /** Beginnings of names: only these faults, or all but these. */
  only?: string[] | undefined;
  skip?: string[] | undefined;
  /** Whether Redis' clock can be set. */
  clock: boolean;
}

export function chosenFaults({ only, skip = [], clock }: FaultChoice): Fault[] {
  const begins = (names: string[]) => (fault: Fault) => names.some((name) => fault.name.startsWith(name));
  return [...ALL, ...(clock ? clockFaults : [])]
    .filter((fault) => only === undefined || begins(only)(fault))
    .filter((fault) => !begins(skip)(fault));
}
