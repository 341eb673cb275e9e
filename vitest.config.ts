import { defineConfig } from 'vitest/config';
import { ALL, LONG, LONGEST, SLOW, tier } from './test/tiers.js';

/** `npm test`: all but the slow and the long tests. */
export default defineConfig(tier(ALL, [...SLOW, ...LONG, ...LONGEST]));
