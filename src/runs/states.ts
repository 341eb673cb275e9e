import type { RunState } from './status.js';

export type RunCommand = 'pause' | 'resume' | 'cancel' | 'retry' | 'produce' | 'run' | 'work' | 'prune';

/** A state: the run is moved to it. `stays`: it is left in its state. `refused`: so too, and the command says so. */
export type Effect = RunState | 'stays' | 'refused' | 'forgotten';

/**
 * The immediate effect of each command on a run in each state. Later changes, such as the completion of a resumed
 * run, do not belong to it. `test/scenarios/run-states.test.ts` tries every pair.
 */
export const COMMANDS: Record<RunCommand, Record<RunState, Effect>> = {
  pause: {
    running: 'paused',
    paused: 'stays',
    blocked: 'refused',
    completed: 'refused',
    cancelled: 'refused',
  },
  resume: {
    running: 'stays',
    paused: 'running',
    blocked: 'running',
    completed: 'refused',
    cancelled: 'refused',
  },
  cancel: {
    running: 'cancelled',
    paused: 'cancelled',
    blocked: 'cancelled',
    completed: 'refused',
    cancelled: 'stays',
  },
  retry: {
    running: 'stays',
    paused: 'stays',
    blocked: 'running',
    completed: 'running',
    cancelled: 'running',
  },
  produce: {
    running: 'stays',
    paused: 'stays',
    blocked: 'stays',
    completed: 'stays',
    cancelled: 'stays',
  },
  // The same command again is how a blocked run goes on.
  run: { running: 'stays', paused: 'stays', blocked: 'running', completed: 'stays', cancelled: 'stays' },
  work: { running: 'stays', paused: 'stays', blocked: 'stays', completed: 'stays', cancelled: 'stays' },
  prune: {
    running: 'stays',
    paused: 'stays',
    blocked: 'stays',
    completed: 'forgotten',
    cancelled: 'forgotten',
  },
};

/** The states from which a command moves a run to another. */
export const movedBy = (command: RunCommand, to: RunState): RunState[] =>
  (Object.keys(COMMANDS[command]) as RunState[]).filter((state) => COMMANDS[command][state] === to);
