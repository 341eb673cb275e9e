import type { Plan } from '../plan.js';
import type { World } from '../world.js';

/** A fault, and how it is healed. */
export interface Fault {
  name: string;
  /** The part that the fault is applied to. Two faults at the same time are never applied to the same part. */
  at: 'run' | 'work' | 'redis' | 'gateway' | 'source' | 'sink' | 'control';
  /** From `apply` to `heal`: least and most. */
  lastsMs: [number, number];
  /** How often it is chosen; default 1. */
  weight?: number;
  /** Whether the round has the parts that the fault needs. Default: true. */
  fits?(plan: Omit<Plan, 'steps'>): boolean;
  /** Reasons for which the run may be blocked while it lasts. */
  blocks?: string[];
  /** What a process that is started while it lasts may say as it gives up. */
  refuses?: RegExp[];
  apply(world: World): Promise<void> | void;
  heal?(world: World): Promise<void> | void;
}
