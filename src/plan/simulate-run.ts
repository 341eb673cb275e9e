import { createPolls } from '../consumers/poll-schedule/polls.js';
import type { RunReading } from '../runs/read-status.js';
import type { RunPolicy } from '../runs/record.js';
import { type SettleObservations, settledIn } from '../runs/settle-times.js';

export interface SimulatedRun {
  /** Settle time of each task, ms, in the order of submission. */
  times: readonly number[];
  callsPerSecond: number;
  policy: Pick<RunPolicy, 'poll' | 'pollDelayMs' | 'pollMaxDelayMs' | 'resultTimeoutMs' | 'maxInFlight'>;
  concurrency: number;
}

export interface SimulatedOutcome {
  seconds: number;
  polls: number;
}

interface Task {
  at: number;
  settles: number;
  due: number;
  seen?: number;
}

const STEP_MS = 250;
/** Past this many results the run's memory of settle times is halved (`learn` in `scripts.ts`). */
const RESULTS_KEPT = 2_000;
/** The time between two checks grows with the run's age, by this share: each check may make a new plan. */
const LOOK_SHARE = 0.02;

/** A whole run on virtual time, with the pipeline's own rule of when to poll. */
export async function simulateRun(run: SimulatedRun): Promise<SimulatedOutcome> {
  const { times, callsPerSecond, concurrency } = run;
  const policy = run.policy as RunPolicy;
  let seen: SettleObservations = new Map();
  let now = 0;
  let sleeping = new Map<number, Task[]>();
  const polls = createPolls({
    policy,
    concurrency,
    now: () => now,
    async shareSettleTimes(sightings) {
      for (const [field, count] of sightings) seen.set(field, (seen.get(field) ?? 0) + count);
      if (settledIn(seen) > RESULTS_KEPT)
        seen = new Map([...seen].map(([field, count]) => [field, count / 2]));
      return seen;
    },
    async advancePolls({ nextPollDelayMs: nextMs }) {
      const tasks = [...sleeping.values()].flat();
      sleeping = new Map();
      for (const task of tasks) sleep(task, Math.min(task.due - now, nextMs(now - task.at)));
    },
  });

  function sleep(task: Task, ms: number): void {
    task.due = now + ms;
    const step = Math.max(Math.ceil(task.due / STEP_MS), now / STEP_MS + 1);
    const others = sleeping.get(step);
    if (others === undefined) sleeping.set(step, [task]);
    else others.push(task);
  }

  let ready: Task[] = [];
  let [next, slots, submitted, collected, polled, calls, lookAt] = [0, 0, 0, 0, 0, 0, 0];
  let lastLook = 0;

  function poll(task: Task): void {
    const tooSoon = polls.extraSleepMs(now - task.at);
    if (tooSoon !== null) {
      sleep(task, tooSoon);
      return;
    }
    slots -= 1;
    calls += 1;
    polled += 1;
    const age = now - task.at;
    if (task.settles <= now) {
      collected += 1;
      polls.observeSettled(task, resultOf(task), age);
    } else {
      if (polls.observePending(task, age)) task.seen = age;
      sleep(task, polls.nextPollDelayMs(age));
    }
  }
  const takePolls = (most: number) => {
    // Only whole calls count. Rounding up would make polls come too early, and find less.
    const floor = Math.max(0, slots - most);
    while (next < ready.length && slots >= floor + 1) poll(ready[next++] as Task);
  };

  while (collected < times.length) {
    const step = now / STEP_MS;
    ready = [...ready.slice(next), ...(sleeping.get(step) ?? [])];
    next = 0;
    sleeping.delete(step);
    slots = Math.min(slots, 1) + (callsPerSecond * STEP_MS) / 1000;
    const room = () => submitted < times.length && submitted - collected < policy.maxInFlight;
    takePolls(room() ? slots / 2 : slots);
    for (; slots >= 1 && room(); slots -= 1, submitted += 1) {
      const task: Task = { at: now, settles: now + (times[submitted] ?? 0), due: 0 };
      if (polls.isSampled(submitted + 1)) task.seen = 0;
      sleep(task, polls.nextPollDelayMs(0));
      calls += 1;
    }
    takePolls(slots);
    if (now >= lookAt) {
      await polls.look(readingOf());
      [calls, lastLook] = [0, now];
      lookAt = now + Math.max(1_000, LOOK_SHARE * now);
    }
    now += STEP_MS;
  }
  return { seconds: now / 1000, polls: polled };

  function readingOf(): RunReading {
    return {
      record: { policy, startedAt: new Date(0).toISOString() },
      status: {
        produced: true,
        queued: times.length - submitted,
        in_flight: submitted - collected,
      },
      tasksDue: ready.length - next,
      present: { callsPerSecond: calls / Math.max(1, (now - lastLook) / 1000) },
    } as unknown as RunReading;
  }
}

const iso = (ms: number) => new Date(1e12 + ms).toISOString();
const resultOf = ({ at, settles }: Task) =>
  ({ created_at: iso(at), settled_at: iso(settles) }) as Parameters<
    ReturnType<typeof createPolls>['observeSettled']
  >[1];
