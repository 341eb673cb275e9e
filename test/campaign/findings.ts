import type { Kind, Problem } from '../oracle/judge.js';
import type { Fault } from './faults/fault.js';
import type { Exit } from './parts/command.js';
import type { Plan } from './plan.js';

/** What the judge says, and what is seen on the way. */
export type FindingKind =
  | Kind
  /** No line ended for too long, or a process did not stop. */
  | 'hung'
  /** A command ended by itself that should have gone on. */
  | 'died'
  /** The run was blocked for a reason that no fault gives. */
  | 'blocked'
  /** The same command after the end did something else than report it again. */
  | 'again'
  /** The campaign itself could not do what it wanted. */
  | 'campaign';

export interface Finding {
  kind: FindingKind;
  seed: string;
  /** The faults just before it; for what the judge says, all of the round's. */
  after: string[];
  message: string;
  /** How many of its kind the round has. */
  count: number;
}

export interface Findings {
  list: Finding[];
  /** How often each fault was done, and how long after its end a line ended, ms. */
  done: Map<string, { times: number; recoveries: number[] }>;
  cancelled: boolean;
  begin(faults: Pick<Fault, 'name' | 'blocks'>[]): void;
  recovered(faults: Pick<Fault, 'name'>[], ms: number): void;
  add(kind: FindingKind, message: string, after?: string[]): void;
  problem(problem: Problem): void;
  death(command: string, exit: Exit): void;
}

export function newFindings({ seed }: Pick<Plan, 'seed'>): Findings {
  let now: Pick<Fault, 'name' | 'blocks'>[] = [];
  const findings: Findings = {
    list: [],
    done: new Map(),
    cancelled: false,
    begin(faults) {
      now = faults;
      for (const { name } of faults) {
        const done = findings.done.get(name) ?? { times: 0, recoveries: [] };
        done.times += 1;
        findings.done.set(name, done);
      }
    },
    recovered(faults, ms) {
      for (const { name } of faults) findings.done.get(name)?.recoveries.push(Math.max(0, ms));
    },
    add(kind, message, after = now.map(({ name }) => name)) {
      const same = findings.list.find((each) => each.kind === kind && sameAfter(each.after, after));
      if (same === undefined) findings.list.push({ kind, seed, after, message, count: 1 });
      else same.count += 1;
    },
    problem: ({ kind, where, message }) =>
      findings.add(kind, `${where}: ${message}`, [...findings.done.keys()]),
    death(command, { status, signal, said }) {
      const blocked = said.map((line) => /blocked \((\w+)\)/.exec(line)?.[1]).find(Boolean);
      if (status === 4 && blocked !== undefined && now.some(({ blocks }) => blocks?.includes(blocked)))
        return;
      const last = said.filter((line) => !line.startsWith('{')).slice(-3);
      findings.add(
        status === 4 ? 'blocked' : 'died',
        `${command} ended with ${status ?? signal}: ${(last.length > 0 ? last : said.slice(-1)).join(' | ')}`,
      );
    },
  };
  return findings;
}

const sameAfter = (a: string[], b: string[]) => a.join() === b.join();
