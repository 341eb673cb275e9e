import { createPolls } from '../../../src/consumers/poll-schedule/polls.js';
import type { RunReading } from '../../../src/runs/read-status.js';
import type { RunPolicy } from '../../../src/runs/record.js';
import { type SettleObservations, settledIn } from '../../../src/runs/settle-times.js';

export interface SimulatedRun {
  /** Settle time of each line, ms, in the order of submission. */
  times: number[];
  /** Calls per second, half of them for each kind while both want them. */
  perSecond: number;
  /** Lines that the producer brings in a second. Default: as many as there are calls. */
  feedPerSecond?: number;
  poll: 'auto' | 'fixed';
  pollMaxDelayMs?: number;
  maxInFlight?: number;
  /** Whether results tell when their task was made and settled. Default: they do. */
  told?: boolean;
}

export interface SimulatedOutcome {
  seconds: number;
  /** When 99 of 100 lines were collected, s. */
  nearlyAll: number;
  pollsPerLabel: number;
  /** How often a task that woke slept on unpolled, per label. */
  slept: number;
  /** The same of the lines that are neither the first two fifths nor the last two. */
  middlePolls: number;
  /** Mean time from settled to collected, s. */
  lateness: number;
  /** Median of the same as a share of the task's settle time. */
  medianShare: number;
  /** From the last submission to the end, s. */
  tail: number;
  /** From the moment that the last task settled to the end, s. */
  stretch: number;
}

interface Task {
  l: number;
  polls: number;
  seen?: number;
  at: number;
  settles: number;
  due: number;
}

const STEP_MS = 250;

/** A whole run of one process on virtual time, with the pipeline's own polling. */
export async function simulateRun(run: SimulatedRun): Promise<SimulatedOutcome> {
  const { times, perSecond, poll, maxInFlight = 100_000 } = run;
  const lines = times.length;
  let seen: SettleObservations = new Map();
  let now = 0;
  const policy = {
    poll,
    pollDelayMs: 5_000,
    resultTimeoutMs: 86_400_000,
    pollMaxDelayMs: run.pollMaxDelayMs ?? 60_000,
    maxInFlight,
  } as RunPolicy;
  let sleeping = new Map<number, Task[]>();
  const polls = createPolls({
    policy,
    concurrency: 200,
    now: () => now,
    async shareSettleTimes(sightings) {
      for (const [field, count] of sightings) seen.set(field, (seen.get(field) ?? 0) + count);
      if (settledIn(seen) > 2_000) seen = new Map([...seen].map(([field, count]) => [field, count / 2]));
      return seen;
    },
    async advancePolls({ nextPollDelayMs: nextMs }) {
      const tasks = [...sleeping.values()].flat();
      sleeping = new Map();
      for (const task of tasks) sleep(task, Math.min(task.due - now, nextMs(now - task.at)));
    },
  });
  function sleep(task: Task, ms: number) {
    task.due = now + ms;
    const step = Math.max(Math.ceil(task.due / STEP_MS), now / STEP_MS + 1);
    const others = sleeping.get(step);
    if (others === undefined) sleeping.set(step, [task]);
    else others.push(task);
  }

  const ready: Task[] = [];
  const shares: number[] = [];
  let [slept, calls, nearlyAll] = [0, 0, 0];
  let [next, submitted, collected, polled, late, lastSettles, lastSubmitted, slots, middle] = [
    0, 0, 0, 0, 0, 0, 0, 0, 0,
  ];
  const iso = (ms: number) => new Date(1e12 + ms).toISOString();

  function pollOne(task: Task) {
    const tooSoon = polls.extraSleepMs(now - task.at);
    if (tooSoon !== null) {
      slept += 1;
      return sleep(task, tooSoon);
    }
    slots -= 1;
    calls += 1;
    polled += 1;
    task.polls += 1;
    if (task.settles > now) {
      if (polls.observePending(task, now - task.at)) task.seen = now - task.at;
      return sleep(task, polls.nextPollDelayMs(now - task.at));
    }
    collected += 1;
    if (collected === Math.ceil(0.99 * lines)) nearlyAll = now;
    if (task.l > lines * 0.4 && task.l <= lines * 0.6) middle += task.polls;
    late += now - task.settles;
    shares.push((now - task.settles) / (task.settles - task.at));
    const told = run.told === false ? {} : { created_at: iso(task.at), settled_at: iso(task.settles) };
    polls.observeSettled(task, { task_id: '', status: 'settled', ...told } as never, now - task.at);
  }
  function takePolls(most: number) {
    for (const left = slots - most; next < ready.length && slots >= left + 1; next += 1)
      pollOne(ready[next] as Task);
  }

  while (collected < lines) {
    ready.splice(0, next);
    next = 0;
    ready.push(...(sleeping.get(now / STEP_MS) ?? []));
    sleeping.delete(now / STEP_MS);
    slots = (perSecond * STEP_MS) / 1_000;
    const wants = submitted < lines && submitted - collected < maxInFlight && run.feedPerSecond === undefined;
    takePolls(wants ? slots / 2 : slots);
    const fed = Math.min(
      lines,
      Math.floor(((now + STEP_MS) / 1_000) * (run.feedPerSecond ?? Number.POSITIVE_INFINITY)),
    );
    for (; slots >= 1 && submitted < fed && submitted - collected < maxInFlight; slots -= 1, submitted += 1) {
      const task: Task = {
        l: submitted + 1,
        polls: 0,
        at: now,
        settles: now + (times[submitted] ?? 0),
        due: 0,
      };
      if (polls.isSampled(task.l)) task.seen = 0;
      lastSettles = Math.max(lastSettles, task.settles);
      lastSubmitted = now;
      sleep(task, polls.nextPollDelayMs(0));
      calls += 1;
    }
    takePolls(slots);
    if (now % 1_000 === 0) {
      await polls.look({
        record: { policy, startedAt: new Date(0).toISOString() },
        status: { produced: submitted === lines, queued: fed - submitted, in_flight: submitted - collected },
        tasksDue: ready.length - next,
        present: { callsPerSecond: calls },
      } as unknown as RunReading);
      calls = 0;
    }
    now += STEP_MS;
  }
  shares.sort((a, b) => a - b);
  return {
    seconds: now / 1_000,
    slept: slept / lines,
    nearlyAll: nearlyAll / 1_000,
    pollsPerLabel: polled / lines,
    middlePolls: middle / (lines * 0.2),
    lateness: late / lines / 1_000,
    medianShare: shares[Math.floor(lines / 2)] ?? 0,
    tail: (now - lastSubmitted) / 1_000,
    stretch: (now - lastSettles) / 1_000,
  };
}
