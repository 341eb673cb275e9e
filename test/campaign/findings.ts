import type { Kind, Problem } from '../oracle/find-problems.js';
import type { Fault } from './faults/fault.js';
import type { Exit } from './parts/command.js';
import type { Plan } from './plan.js';

/** What is seen on the way, beside what the oracle says. */
const SEEN = {
  hung: 'no line ended for too long, or a process did not stop',
  died: 'a command ended by itself that should have gone on',
  blocked: 'the run was blocked for a reason that no fault gives',
  again: 'the same command after the end did something else than report it again',
  campaign: 'the campaign itself could not do what it wanted',
} as const;

export type FindingKind = Kind | keyof typeof SEEN;
export const ON_THE_WAY = Object.keys(SEEN) as FindingKind[];

export interface Finding {
  kind: FindingKind;
  seed: string;
  /** The faults that ended just before the finding. For findings of the oracle: all faults of the round. */
  after: string[];
  message: string;
  /** How many of its kind the round has. */
  count: number;
}

export interface Findings {
  seed: string;
  list: Finding[];
  /** How often each fault was done, and how long after its end a line ended, ms. */
  done: Map<string, { times: number; recoveries: number[] }>;
  cancelled: boolean;
  /** The longest time in which nothing was broken and no line ended. */
  longestSilenceMs: number;
  begin(faults: Pick<Fault, 'name' | 'blocks' | 'refuses'>[]): void;
  healed(): void;
  recovered(faults: Pick<Fault, 'name'>[], ms: number): void;
  add(kind: FindingKind, message: string, after?: string[]): void;
  problem(problem: Problem): void;
  death(command: string, exit: Exit): void;
}

/** The effects of a fault may show this long after its end. A run that it has blocked ends even later. */
const SEEN_MS = 5_000;
const BLOCKED_MS = 60_000;

export function newFindings({ seed }: Pick<Plan, 'seed'>): Findings {
  const past: { faults: Pick<Fault, 'name' | 'blocks' | 'refuses'>[]; until: number }[] = [];
  const since = (ms: number) =>
    past.filter(({ until }) => Date.now() - until < ms).flatMap(({ faults }) => faults);
  const findings: Findings = {
    seed,
    list: [],
    done: new Map(),
    cancelled: false,
    longestSilenceMs: 0,
    begin(faults) {
      past.push({ faults, until: Number.POSITIVE_INFINITY });
      for (const { name } of faults) {
        const done = findings.done.get(name) ?? { times: 0, recoveries: [] };
        done.times += 1;
        findings.done.set(name, done);
      }
    },
    healed() {
      for (const each of past) each.until = Math.min(each.until, Date.now());
    },
    recovered(faults, ms) {
      for (const { name } of faults) findings.done.get(name)?.recoveries.push(Math.max(0, ms));
    },
    add(kind, message, after = [...new Set(since(SEEN_MS).map(({ name }) => name))]) {
      const same = findings.list.find((each) => each.kind === kind && sameAfter(each.after, after));
      if (same === undefined) findings.list.push({ kind, seed, after, message, count: 1 });
      else same.count += 1;
    },
    problem: ({ kind, where, message }) =>
      findings.add(kind, `${where}: ${message}`, [...findings.done.keys()]),
    death(command, { status, signal, said }) {
      const blocked = said.map((line) => /blocked \((\w+)\)/.exec(line)?.[1]).find(Boolean);
      const mayBlock = since(BLOCKED_MS).flatMap(({ blocks = [] }) => blocks);
      if (status === 4 && blocked !== undefined && mayBlock.includes(blocked)) return;
      // A process that starts meanwhile says so and is started again, as a supervisor would.
      const refusals = since(BLOCKED_MS).flatMap(({ refuses = [] }) => refuses);
      if (refusals.some((refusal) => said.some((line) => refusal.test(line)))) return;
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
