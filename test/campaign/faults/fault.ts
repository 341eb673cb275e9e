import type { Plan } from '../plan.js';
import type { World } from '../world.js';

/** Something that goes wrong, and how it goes right again. */
export interface Fault {
  name: string;
  /** What it is done to: two faults at once are never done to the same. */
  at: 'run' | 'work' | 'redis' | 'gateway' | 'source' | 'sink' | 'control';
  /** From `apply` to `heal`: least and most. */
  lastsMs: [number, number];
  /** How often it is chosen; default 1. */
  weight?: number;
  /** Whether a round has what it needs; default: it has. */
  fits?(plan: Omit<Plan, 'steps'>): boolean;
  /** Reasons for which the run may be blocked while it lasts. */
  blocks?: string[];
  /** What a process that is started while it lasts may say as it gives up. */
  refuses?: RegExp[];
  apply(world: World): Promise<void> | void;
  heal?(world: World): Promise<void> | void;
}
