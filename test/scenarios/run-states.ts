/** What each command does to a run in each state, as documented. */
export type State = 'running' | 'paused' | 'blocked' | 'completed' | 'cancelled';
export type Action = 'pause' | 'resume' | 'cancel' | 'retry' | 'produce' | 'run' | 'work' | 'prune';

export interface Expected {
  /** The exit status; `waits`: it goes on until it is interrupted (143), and does nothing meanwhile. */
  exit: number | 'waits';
  /** The state afterwards; `gone`: no longer on record. */
  state: State | 'gone';
  /** Whether the Gateway is called. */
  calls: boolean;
  /** What it says on stderr. */
  says?: RegExp;
}

const done = (state: Expected['state']): Expected => ({ exit: 0, state, calls: false });
const refused = (state: State): Expected => ({ exit: 1, state, calls: false, says: /nothing was changed/ });
/** Goes on to the end; one line of the manifest fails, so that the exit is 3. */
const ends: Expected = { exit: 3, state: 'completed', calls: true };
/** Reports the end again, and sends nothing. */
const again = (state: State): Expected => ({ exit: 3, state, calls: false });
const waits = (state: State): Expected => ({ exit: 'waits', state, calls: false });

const TABLE: Record<Action, Record<State, Expected>> = {
  pause: {
    running: done('paused'),
    paused: done('paused'),
    blocked: refused('blocked'),
    completed: refused('completed'),
    cancelled: refused('cancelled'),
  },
  resume: {
    running: done('running'),
    paused: done('running'),
    blocked: done('running'),
    completed: refused('completed'),
    cancelled: refused('cancelled'),
  },
  cancel: {
    running: done('cancelled'),
    paused: done('cancelled'),
    blocked: done('cancelled'),
    completed: refused('completed'),
    cancelled: done('cancelled'),
  },
  // Puts failures back, and is `run` from there: it neither un-pauses a run nor keeps a blocked one blocked.
  retry: { running: ends, paused: waits('paused'), blocked: ends, completed: ends, cancelled: ends },
  produce: {
    running: done('running'),
    paused: done('paused'),
    blocked: done('blocked'),
    completed: done('completed'),
    cancelled: done('cancelled'),
  },
  run: {
    running: ends,
    paused: waits('paused'),
    blocked: ends,
    completed: again('completed'),
    cancelled: again('cancelled'),
  },
  work: {
    running: { exit: 'waits', state: 'completed', calls: true },
    paused: waits('paused'),
    blocked: waits('blocked'),
    completed: waits('completed'),
    cancelled: waits('cancelled'),
  },
  prune: {
    running: done('running'),
    paused: done('paused'),
    blocked: done('blocked'),
    completed: done('gone'),
    cancelled: done('gone'),
  },
};

/** Pairs that do something else today. */
export const NOT_YET = new Set<string>();

export const PAIRS = Object.entries(TABLE).flatMap(([action, states]) =>
  Object.entries(states).map(([state, expected]): [Action, State, Expected] => [
    action as Action,
    state as State,
    expected,
  ]),
);
